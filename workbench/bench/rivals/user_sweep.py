"""A sweep as a user of Lightning and Optuna writes it: an objective that builds a module and a Trainer.

Nothing of the workbench is in it but what makes its losses comparable: initial weights and batches are given.
"""

from collections.abc import Callable
from dataclasses import dataclass

import lightning
import optuna
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from workbench.bench.rivals.plain import PlainConfig, PlainDecoder

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Material:
    """What a trial starts from and sees: weights by name, training batches, validation batches."""

    weights: dict[str, Tensor]
    training: list[Batch]
    validation: list[Batch]


class UserModule(lightning.LightningModule):
    """A LightningModule around a decoder."""

    def __init__(self, model: nn.Module, learning_rate: float, schedule: Callable[[int], float]) -> None:
        super().__init__()
        self.model = model
        self.learning_rate = learning_rate
        self.schedule = schedule

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """One batch's loss."""
        return self._loss(batch)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Log the loss; Lightning averages it over batches by their tokens."""
        self.log("validation/loss", self._loss(batch), batch_size=batch[1].numel())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with a schedule."""
        matrices = [p for p in self.parameters() if p.ndim >= 2]
        vectors = [p for p in self.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
        # Under mixed precision Lightning refuses to clip gradients before a fused optimizer.
        fused = self.device.type == "cpu"
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, betas=(0.9, 0.95), fused=fused)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _loss(self, batch: Batch) -> Tensor:
        tokens, targets = batch
        logits = self.model(tokens)  # (B, T, V)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


@dataclass(frozen=True, kw_only=True)
class UserSweep:
    """Trials one after the other. ``material`` gives what belongs to a seed."""

    config: PlainConfig
    steps: int
    device: str
    bf16: bool
    schedule: Callable[[int], float]
    material: Callable[[int], Material]

    def run(self, grid: list[tuple[float, int]]) -> dict[tuple[float, int], float]:
        """Train each learning rate and seed in ``grid``; their validation losses in nats per token."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(direction="minimize")
        for rate, seed in grid:
            study.enqueue_trial({"learning_rate": rate, "seed": seed})
        study.optimize(self._objective, n_trials=len(grid))
        losses = {}
        for trial in study.trials:
            assert trial.value is not None, "a trial has no loss"  # for Optuna one that is no number is none
            losses[trial.params["learning_rate"], trial.params["seed"]] = trial.value
        return losses

    def _objective(self, trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-5, 1.0, log=True)
        material = self.material(trial.suggest_int("seed", 0, 1_000_000))
        model = PlainDecoder(self.config)
        model.load_state_dict(material.weights)
        trainer = lightning.Trainer(
            accelerator="gpu" if self.device == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if self.bf16 else "32-true",
            max_steps=self.steps,
            gradient_clip_val=1.0,
            val_check_interval=self.steps,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(
            UserModule(model, rate, self.schedule),
            # Any sequence is a data set that can be indexed; the annotation wants a subclass of Dataset.
            DataLoader(material.training, batch_size=None),  # type: ignore[arg-type]
            DataLoader(material.validation, batch_size=None),  # type: ignore[arg-type]
        )
        return trainer.callback_metrics["validation/loss"].item()
