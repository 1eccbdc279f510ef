"""Trains R trials of one variant in one program: seeds, learning rates, any number of the training.

Components stay plain single-model PyTorch: ``torch.func.vmap`` runs the decoder on every replica's parameters
at once (arXiv 2102.02344 calls this horizontal fusion), and ``sum(losses).backward()`` gives each replica its
own gradient, since no loss depends on another's parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder
from workbench.seeds import generator, stable_hash
from workbench.training.compilation import compiled
from workbench.training.config import TrainingConfig
from workbench.training.metrics import validation_metrics
from workbench.training.population.flat_parameters import Rows
from workbench.training.population.replicated_adamw import ReplicatedAdamW
from workbench.training.schedule import rate_factor

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Replica:
    """What is a replica's own. ``training`` may differ in the numbers of optimizer and schedule."""

    training: TrainingConfig
    learning_rate: float
    seed: int


class Population(lightning.LightningModule):
    """R decoders of one shape. Batches are ``(inputs, targets)``, both ``(R, B, T)``; losses are ``(R,)``.

    Its one parameter ``rows (R, P)`` holds a decoder in each row. ``first_step`` is where a resumed
    population goes on.
    """

    def __init__(
        self, model: ModelConfig, replicas: list[Replica], *, steps: int, first_step: int = 0
    ) -> None:
        super().__init__()
        self.replicas, self.steps, self.first_step = replicas, steps, first_step
        # Outside the tree of modules: its own parameters are a mould that is never trained.
        self.__dict__["mould"] = Decoder(model)
        self.layout = Rows(self.mould)
        self.rows = nn.Parameter(torch.stack([self._initial(replica.seed) for replica in replicas]))  # (R, P)
        self.alive = [True] * len(replicas)
        self._states: list[dict[str, Tensor]] = []
        self._places: Tensor | None = None  # of the present replicas in a batch, once some have left
        self._losses = vmap(self._loss)
        self._same_losses = vmap(self._loss, in_dims=(0, None, None))

    def _initial(self, seed: int) -> Tensor:
        self.mould.initialize(seed)
        return self.layout.row(self.mould)  # (P,)

    def _loss(self, parameters: dict[str, Tensor], tokens: Tensor, targets: Tensor) -> Tensor:
        """One replica's mean cross-entropy in nats per token."""
        logits = functional_call(self.mould, parameters, (tokens,))  # (B, T, V)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    def begin(self, change: Callable[[Decoder], None]) -> None:
        """Let ``change`` set each replica's parameters before training, as it would a decoder alone."""
        for index in range(len(self.replicas)):
            change(self.decoder(index))
            self.rows.data[index] = self.layout.row(self.mould)

    def state(self, index: int) -> dict[str, Tensor]:
        """What a replica goes on from: its parameters and both moments, ``(P,)`` each, on the CPU."""
        rows = {"parameters": self.rows, "mean": self.optimizer.mean, "square": self.optimizer.square}
        return {name: value[index].detach().cpu().clone() for name, value in rows.items()}

    def resume(self, states: list[dict[str, Tensor]]) -> None:
        """Go on from each replica's ``state``; called before training begins."""
        self._states = list(states)
        self.rows.data = torch.stack([state["parameters"] for state in states])  # (R, P)

    @property
    def step(self) -> int:
        """Optimizer steps so far, those before a resume included."""
        return self.first_step + self.global_step

    @property
    def _training(self) -> TrainingConfig:
        """For what all replicas share."""
        return self.replicas[0].training

    @property
    def optimizer(self) -> ReplicatedAdamW:
        """What trains the rows."""
        return self._optimizer

    def on_fit_start(self) -> None:
        """Bring the mould to the device; compile where asked."""
        self.prepare()
        self._losses = compiled(self._losses, self._training)
        self._same_losses = compiled(self._same_losses, self._training)

    def prepare(self) -> None:
        """Make ready to train on the device where the rows are."""
        self.mould.to(self.device)
        if self.device.type == "cpu":
            self.mould.attention_kernel = "folded"
        self._generators = tuple(
            generator(replica.seed, "dropout", device=self.device) for replica in self.replicas
        )

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Seed dropout by the step, so that a resumed run draws the masks that it would have drawn."""
        self.seed_dropout()

    def seed_dropout(self) -> None:
        """Seed each replica's dropout by its seed and the step, as a trial alone does."""
        if self.mould.config.dropout:
            for replica, own in zip(self.replicas, self._generators, strict=True):
                own.manual_seed(stable_hash(replica.seed, "dropout", self.step))
            self.mould.dropout_generator = self._generators

    def training_step(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        """The sum of the losses, and each of them."""
        if self._places is not None:
            batch = tuple(part[self._places] for part in batch)  # (R, B, T) each
        try:
            losses = self._losses(self.layout.tensors(self.rows), *batch)  # (R,)
        except StopIteration as error:  # Lightning would take it for the end of the batches
            raise RuntimeError(f"a part raised StopIteration: {error}") from error
        return {"loss": losses.sum(), "losses": losses.detach()}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Nothing: the optimizer clips each replica's gradient by its own norm."""

    def configure_optimizers(self) -> ReplicatedAdamW:
        """AdamW with a learning rate for each replica."""
        constants = [replica.training for replica in self.replicas]
        self._optimizer = ReplicatedAdamW(
            self.rows,
            self.layout.decayed(self.mould),
            constants,
            self._rates,
            first_step=self.first_step,
        )
        for index, state in enumerate(self._states):
            self._optimizer.mean[index], self._optimizer.square[index] = state["mean"], state["square"]
        self._states.clear()
        return self._optimizer

    def _rates(self, step: int) -> list[float]:
        """Learning rates at ``step``; 0 for a replica that diverged."""
        return [
            alive * replica.learning_rate * rate_factor(step, self.steps, replica.training)
            for alive, replica in zip(self.alive, self.replicas, strict=True)
        ]

    @torch.no_grad()
    def validate(self, batches: list[tuple[Tensor, Tensor, int]]) -> list[dict[str, float]]:
        """Each replica's validation on the same ``batches``."""
        self.mould.eval()
        tensors = self.layout.tensors(self.rows)
        nats, tokens, text_bytes = torch.zeros(len(self.replicas), dtype=torch.double), 0, 0
        nats = nats.to(self.device)
        for inputs, targets, count in batches:
            losses = self._same_losses(tensors, inputs.to(self.device), targets.to(self.device))  # (R,)
            nats += losses.double() * targets.numel()
            tokens, text_bytes = tokens + targets.numel(), text_bytes + count
        self.mould.train()
        return [validation_metrics(own, tokens, text_bytes) for own in nats.tolist()]

    def decoder(self, index: int) -> Decoder:
        """A replica's decoder by itself: the mould, filled with its parameters."""
        self.layout.load(self.mould, self.rows[index])
        return self.mould

    @torch.no_grad()
    def mask(self, index: int) -> None:
        """Take a replica that diverged out of the reckoning: its parameters are set to 0 and stay there."""
        self.alive[index] = False
        for tensor in (self.rows, self.optimizer.mean, self.optimizer.square):
            tensor[index].zero_()

    def keep(self, indices: list[int]) -> None:
        """Go on with these replicas only: the population shrinks."""
        kept = torch.tensor(indices, device=self.device)
        self._places = kept if self._places is None else self._places[kept]
        self.rows.grad = None
        self.rows.data = self.rows.data[indices]
        self.replicas = [self.replicas[index] for index in indices]
        self.alive = [self.alive[index] for index in indices]
        self._generators = tuple(self._generators[index] for index in indices)
        self.optimizer.keep(indices)
