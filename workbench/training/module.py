"""The unit that swaps: a LightningModule around one decoder."""

import math
import random
from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from workbench.data.batches import Batch, EvaluationBatch
from workbench.data.task_batches import AnswerBatch
from workbench.data.text_parts import TextParts
from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder
from workbench.model.dropout import Rows
from workbench.model.loss import next_token_loss, token_losses
from workbench.records.execution import USUAL, Execution
from workbench.records.text_losses import TextLosses
from workbench.seeds import generator, stable_hash
from workbench.training.compilation import compiled
from workbench.training.config import TrainingConfig
from workbench.training.optimizers import build_optimizer
from workbench.training.pieces import Piece
from workbench.training.schedules import rate_factor
from workbench.training.sharding import shard, whole_number, whole_tensors
from workbench.training.trainer import stop_iteration_is_an_error
from workbench.training.validation import VALIDATION, AnswerTables, SetSums, score_answers


class DecoderModule(lightning.LightningModule):
    """Trains one decoder on next-token prediction.

    Batches are ``(inputs, targets)``, both ``(B, T)`` int64, or by ``execution`` a ``Piece`` of one;
    validation batches are an ``EvaluationBatch``, or the ``AnswerBatch`` of a generated task. Losses are in
    nats per token. ``evaluation_sets`` are the names of the validation loaders, in their order, and ``parts``
    those of the first one's text.
    """

    def __init__(
        self,
        model: ModelConfig,
        training: TrainingConfig,
        *,
        learning_rate: float,
        seed: int,
        steps: int,
        evaluation_sets: Sequence[str] = (VALIDATION,),
        parts: TextParts | None = None,
        execution: Execution = USUAL,
    ) -> None:
        super().__init__()
        self._execution = execution
        self._is_sharded = execution.strategy == "fsdp"
        self.training_config = training
        self.learning_rate = learning_rate
        self.seed = seed
        self.steps = steps
        self.decoder = Decoder(model)
        self.decoder.initialize(seed, twin=training.draws == "twin")
        if execution.activation_checkpointing:
            self.decoder.checkpoint_activations()
        self._loss = next_token_loss
        self._token_losses = token_losses
        self.pieces_loss = torch.tensor(math.nan)  # what this process's pieces add to the loss of the step
        self.rate = math.nan
        self.gradient_norm: Tensor | float = math.nan
        self.validation: dict[str, float] = {}
        self.text_losses: TextLosses | None = None
        self.answers: dict[str, AnswerTables] = {}
        self._evaluation_sets = evaluation_sets
        self._parts = parts
        self._sums = SetSums(evaluation_sets, parts)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits ``(B, T, V)`` of the next token."""
        return self.decoder(tokens)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats per token, computed in fp32."""
        return self._loss(self.decoder, tokens, targets)

    def configure_model(self) -> None:
        """Keep a part of the parameters where each rank holds one."""
        if self._is_sharded:
            mesh = self.device_mesh
            assert mesh is not None, "the strategy has made one"
            shard(self, self.decoder.blocks, mesh["data_parallel"], ("training_step", "validation_step"))

    def whole_decoder(self) -> Decoder:
        """The decoder with all of its parameters: where ranks hold parts, on rank 0, if all ask for it."""
        if not self._is_sharded:
            return self.decoder
        tensors = whole_tensors(self)
        decoder = Decoder(self.decoder.config)
        if tensors:
            within = "decoder."
            decoder.load_state_dict({name.removeprefix(within): part for name, part in tensors.items()})
            for name, buffer in self.decoder.named_buffers():  # those that no state has, too
                decoder.get_buffer(name).copy_(buffer)
        return decoder

    def on_fit_start(self) -> None:
        """Give dropout a generator of its own, and compile decoder and loss together where asked."""
        self.decoder.dropout_generator = generator(self.seed, "dropout", device=self.device)
        self._loss = compiled(next_token_loss, self.training_config)
        self._token_losses = compiled(token_losses, self.training_config)
        self._trained = list(self.parameters())  # looked up once: a walk over all modules, not one a step

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Seed dropout by the step, so that a resumed run draws the masks that it would have drawn."""
        if self.decoder.config.dropout:
            if isinstance(batch, Piece):
                self.decoder.take_rows(Rows(batch.first, batch.rows))
            dropout = self.decoder.dropout_generator
            assert isinstance(dropout, torch.Generator), "a decoder alone has one, since training began"
            dropout.manual_seed(stable_hash(self.seed, "dropout", self.global_step))
        if self.decoder.config.foreign_parts:  # they know of no generator but the global one
            # They know of no whole batch either: each piece of one has numbers of its own.
            piece = [batch.first] if isinstance(batch, Piece) and batch.first else []
            seed = stable_hash(self.seed, "parts", self.global_step, *piece)
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)

    @stop_iteration_is_an_error
    def training_step(self, batch: Batch | Piece, batch_index: int) -> Tensor:
        """One batch's loss; of a piece, one whose mean over all pieces of the step is the batch's."""
        if not isinstance(batch, Piece):
            return self.loss(*batch)
        # A piece without a target has no mean: any target will do, as its share is 0.
        targets = torch.where(batch.share > 0, batch.targets, batch.targets.clamp(min=0))
        loss = self.loss(batch.inputs, targets) * batch.share
        begins = batch_index % self._execution.gradient_accumulation == 0
        self.pieces_loss = loss.detach() if begins else self.pieces_loss + loss.detach()
        return loss * self._execution.pieces

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep this step's learning rate for the record: afterwards the schedule has set the next one's."""
        self.rate = optimizer.param_groups[0]["lr"]

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Clip the global gradient norm and keep its value before clipping for the record."""
        limit = self.training_config.clip
        norm = torch.nn.utils.clip_grad_norm_(self._trained, limit or math.inf)
        self.gradient_norm = whole_number(norm) if self._is_sharded else norm

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """The optimizer that is asked for, whose rates follow the schedule, step by step."""
        optimizer = build_optimizer(self.decoder, self.training_config, self.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, self.steps, self.training_config)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_validation_epoch_start(self) -> None:
        """Start the sums over the fixed validation tokens."""
        self._sums = SetSums(self._evaluation_sets, self._parts)

    # Lightning knows the third argument by its name.
    def validation_step(
        self, batch: EvaluationBatch | AnswerBatch, batch_index: int, dataloader_idx: int = 0
    ) -> None:
        """Add one batch to the sums of its set, without waiting for the device."""
        if isinstance(batch, AnswerBatch):
            logits = self.decoder(batch.inputs)  # (B, T, V)
            self._sums.add_answers(dataloader_idx, score_answers(logits, batch.targets), batch)
            return
        find = self._token_losses
        if batch.inputs.shape[1] != self.decoder.config.context:
            find = token_losses  # a text's last window, too short to be worth a compilation of its own
        self._sums.add(dataloader_idx, find(self.decoder, batch.inputs, batch.targets), batch)

    def on_validation_epoch_end(self) -> None:
        """Loss in nats per token and in bits per byte, which compares across tokenizers, on all sets."""
        self.validation = self._sums.metrics()
        (self.text_losses,) = self._sums.text_losses(1)
        (self.answers,) = self._sums.answers_of_each(1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the last validation, so that a run killed after its last step needs no new one."""
        checkpoint["validation"] = self.validation
        checkpoint["text_losses"] = self.text_losses
        checkpoint["answers"] = self.answers

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the last validation; count the batches of the steps so far as this training does."""
        _count_pieces(checkpoint, self._execution.gradient_accumulation)
        self.validation = checkpoint["validation"]
        self.text_losses = checkpoint.get("text_losses")  # early checkpoints have none
        self.answers = checkpoint.get("answers", {})


def _count_pieces(checkpoint: dict[str, Any], pieces: int) -> None:
    """Have Lightning's count of batches in ``checkpoint`` be what it is where a step takes so many.

    It knows by it where a step ends and when to validate; the checkpoint may be of a training with others.
    """
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    for counts in (progress["total"], progress["current"]):
        more = checkpoint["global_step"] * pieces - counts["ready"]
        # Those that are not completed yet stay so: it was saved at the end of a batch, before that.
        counts.update({name: count + more for name, count in counts.items()})
