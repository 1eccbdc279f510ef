"""Trains R trials of one variant in one program: seeds, learning rates, any number of the training.

Components stay plain single-model PyTorch: ``torch.func.vmap`` runs the decoder on every replica's parameters
at once (arXiv 2102.02344 calls this horizontal fusion), and ``sum(losses).backward()`` gives each replica its
own gradient, since no loss depends on another's parameters.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from workbench.data.batches import Batch, EvaluationBatch
from workbench.data.task_batches import AnswerBatch
from workbench.data.text_parts import TextParts
from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder
from workbench.model.loss import TokenLosses, losses_of_logits
from workbench.seeds import generator, stable_hash
from workbench.training.compilation import compiled
from workbench.training.config import TrainingConfig
from workbench.training.flat_parameters import FlatLayout
from workbench.training.optimizers import ReplicatedOptimizer, optimizer_config
from workbench.training.schedules import rate_factor
from workbench.training.trainer import stop_iteration_is_an_error
from workbench.training.validation import Scored, SetSums, score_answers

# Not cuDNN's, whose vmapped form torch 2.11 compiles to a call that fails (an output that is no tensor), nor
# the memory-efficient one, whose backward fails after a vmapped forward ("LSE is not correctly aligned").
_KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]


@dataclass(frozen=True, kw_only=True)
class Replica:
    """What is a replica's own. ``training`` may differ in the numbers of optimizer and schedule."""

    training: TrainingConfig
    learning_rate: float
    seed: int


class Population(lightning.LightningModule):
    """R decoders of one shape. Batches are ``(inputs, targets)``, both ``(R, B, T)``; losses are ``(R,)``.

    Its one parameter ``flat_parameters (R, P)`` holds a decoder in each row; ``template`` is the decoder that
    ``vmap`` runs on them. ``first_step`` is where a resumed population goes on.
    """

    template: Decoder

    def __init__(
        self, model: ModelConfig, replicas: list[Replica], *, steps: int, first_step: int = 0
    ) -> None:
        super().__init__()
        self.replicas = replicas
        self.steps = steps
        self.first_step = first_step
        # Outside the tree of modules: the template's own parameters are never trained.
        self.__dict__["template"] = Decoder(model)
        self.layout = FlatLayout(self.template)
        initial = [self._initial(replica) for replica in replicas]
        self.flat_parameters = nn.Parameter(torch.stack(initial))  # (R, P)
        self.alive = [True] * len(replicas)
        self._states: list[dict[str, Tensor]] = []
        self._places: Tensor | None = None  # of the present replicas in a batch, once some have left
        self._losses = vmap(self._loss)
        self._uncompiled = vmap(self._losses_of_tokens, in_dims=(0, None, None))
        self._losses_of_one_batch = self._uncompiled
        self._scores = vmap(self._score, in_dims=(0, None, None))

    def _initial(self, replica: Replica) -> Tensor:
        self.template.initialize(replica.seed, twin=replica.training.draws == "twin")
        return self.layout.flatten(self.template)  # (P,)

    def _loss(self, parameters: dict[str, Tensor], tokens: Tensor, targets: Tensor) -> Tensor:
        """One replica's mean cross-entropy in nats per token."""
        logits = functional_call(self.template, parameters, (tokens,))  # (B, T, V)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    def _losses_of_tokens(
        self, parameters: dict[str, Tensor], tokens: Tensor, targets: Tensor
    ) -> TokenLosses:
        """The same, and the loss of each target, for a validation."""
        return losses_of_logits(functional_call(self.template, parameters, (tokens,)), targets)

    def _score(self, parameters: dict[str, Tensor], tokens: Tensor, targets: Tensor) -> Scored:
        """How one replica predicts a task's answers."""
        return score_answers(functional_call(self.template, parameters, (tokens,)), targets)

    def begin(self, change: Callable[[Decoder], None]) -> None:
        """Let ``change`` set each replica's parameters before training, as it would a decoder alone."""
        for index in range(len(self.replicas)):
            change(self.decoder(index))
            self.flat_parameters.data[index] = self.layout.flatten(self.template)

    def state(self, index: int) -> dict[str, Tensor]:
        """What a replica goes on from: its parameters ``(P,)`` and the optimizer's moments, on the CPU."""
        matrices = {"parameters": self.flat_parameters, **self.optimizer.moments}
        return {name: matrix[index].detach().cpu().clone() for name, matrix in matrices.items()}

    def resume(self, states: list[dict[str, Tensor]]) -> None:
        """Go on from each replica's ``state``; called before training begins."""
        self._states = list(states)
        self.flat_parameters.data = torch.stack([state["parameters"] for state in states])  # (R, P)

    @property
    def step(self) -> int:
        """Optimizer steps so far, those before a resume included."""
        return self.first_step + self.global_step

    @property
    def _training(self) -> TrainingConfig:
        """For what all replicas share."""
        return self.replicas[0].training

    @property
    def optimizer(self) -> ReplicatedOptimizer:
        """What trains the flat parameters."""
        return self._optimizer

    def on_fit_start(self) -> None:
        """Bring the template to the device; compile where asked."""
        self.prepare()
        self._losses = compiled(self._losses, self._training)
        self._losses_of_one_batch = compiled(self._losses_of_one_batch, self._training)

    def prepare(self) -> None:
        """Make ready to train on the device where the flat parameters are."""
        self.template.to(self.device)
        self.template.attention_kernel = "folded" if self.device.type == "cpu" else "flash"
        self._generators = tuple(
            generator(replica.seed, "dropout", device=self.device) for replica in self.replicas
        )

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Seed dropout by the step, so that a resumed run draws the masks that it would have drawn."""
        self.seed_dropout()

    def seed_dropout(self) -> None:
        """Seed each replica's dropout by its seed and the step, as a trial alone does."""
        if self.template.config.dropout:
            for replica, own in zip(self.replicas, self._generators, strict=True):
                own.manual_seed(stable_hash(replica.seed, "dropout", self.step))
            self.template.dropout_generator = self._generators

    @stop_iteration_is_an_error
    def training_step(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        """The sum of the losses, and each of them."""
        inputs, targets = batch
        if self._places is not None:
            inputs = inputs[self._places]  # (R, B, T)
            targets = targets[self._places]
        with sdpa_kernel(_KERNELS):
            losses = self._losses(self.layout.unflatten(self.flat_parameters), inputs, targets)  # (R,)
        return {"loss": losses.sum(), "losses": losses.detach()}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Nothing: the optimizer clips each replica's gradient by its own norm."""

    def configure_optimizers(self) -> ReplicatedOptimizer:
        """The optimizer that is asked for, with a learning rate for each replica."""
        options = optimizer_config(self._training)
        replicated = options.component.replicated
        assert replicated is not None, "require_vmappable refuses an optimizer without one"
        self._optimizer = replicated(
            self.flat_parameters,
            self.layout,
            options,
            [replica.training for replica in self.replicas],
            self._rates,
            first_step=self.first_step,
        )
        for index, state in enumerate(self._states):
            for name, moment in self._optimizer.moments.items():
                moment[index] = state[name]
        self._states.clear()
        return self._optimizer

    def _rates(self, step: int) -> list[float]:
        """Learning rates at ``step``; 0 for a replica that diverged."""
        rates = []
        for replica, alive in zip(self.replicas, self.alive, strict=True):
            rate = replica.learning_rate * rate_factor(step, self.steps, replica.training)
            rates.append(rate if alive else 0.0)
        return rates

    @torch.no_grad()
    def validate(
        self,
        sets: Mapping[str, Sequence[EvaluationBatch | AnswerBatch]],
        parts: TextParts | None = None,
        done: Callable[[], None] = lambda: None,
    ) -> list[dict[str, float]]:
        """Each replica's validation on the batches of each set, which are the same for all.

        ``parts`` are those of the first set's text; ``done`` is called after each batch.
        """
        self.template.eval()
        tensors = self.layout.unflatten(self.flat_parameters)
        sums = SetSums(tuple(sets), parts)
        for number, batches in enumerate(sets.values()):
            for batch in batches:
                self._add(sums, number, batch, tensors)
                done()
        self.template.train()
        self.text_losses = sums.text_losses(len(self.replicas))
        self.answers = sums.answers_of_each(len(self.replicas))
        return sums.metrics_of_each()

    def _add(
        self, sums: SetSums, number: int, batch: EvaluationBatch | AnswerBatch, tensors: dict[str, Tensor]
    ) -> None:
        """Add to the sums of a set, by its number, what a batch of it gives."""
        if isinstance(batch, AnswerBatch):
            with sdpa_kernel(_KERNELS):
                scored = self._scores(tensors, batch.inputs.to(self.device), batch.targets.to(self.device))
            sums.add_answers(number, scored, batch)
            return
        find = self._losses_of_one_batch
        if batch.inputs.shape[1] != self.template.config.context:
            find = self._uncompiled  # a text's last window, too short to be worth a compilation
        with sdpa_kernel(_KERNELS):
            losses = find(tensors, batch.inputs.to(self.device), batch.targets.to(self.device))
        sums.add(number, losses, batch)  # (R,), (R, B, T)

    def decoder(self, index: int) -> Decoder:
        """A replica's decoder by itself: the template, filled with its parameters."""
        self.layout.load(self.template, self.flat_parameters[index])
        return self.template

    @torch.no_grad()
    def mask(self, index: int) -> None:
        """Take a replica that diverged out of the reckoning: its parameters are set to 0 and stay there."""
        self.alive[index] = False
        for matrix in (self.flat_parameters, *self.optimizer.moments.values()):
            matrix[index].zero_()

    def keep(self, indices: list[int]) -> None:
        """Go on with these replicas only: the population shrinks."""
        kept = torch.tensor(indices, device=self.device)
        self._places = kept if self._places is None else self._places[kept]
        self.flat_parameters.grad = None
        self.flat_parameters.data = self.flat_parameters.data[indices]
        self.replicas = [self.replicas[index] for index in indices]
        self.alive = [self.alive[index] for index in indices]
        self._generators = tuple(self._generators[index] for index in indices)
        self.optimizer.keep(indices)
