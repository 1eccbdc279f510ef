"""The training steps of a decoder by themselves, without Lightning and its callbacks around them."""

from contextlib import AbstractContextManager, nullcontext

import torch

from workbench.data.batches import TrainingBatches
from workbench.data.task_batches import TaskTrainingBatches
from workbench.model.config import ModelConfig
from workbench.training.config import TrainingConfig
from workbench.training.module import DecoderModule


def arithmetic(training: TrainingConfig, device: str) -> AbstractContextManager:
    """What a forward pass is computed in."""
    if training.precision == "fp32":
        return nullcontext()
    return torch.autocast(device, dtype=torch.bfloat16)


class StepLoop:
    """Steps a ``DecoderModule``: its own batches, loss, clipping, optimizer and schedule, nothing else.

    ``training`` is resolved: nothing in it is "auto". The schedule is one of ``steps``.
    """

    def __init__(
        self,
        model: ModelConfig,
        training: TrainingConfig,
        batches: TrainingBatches | TaskTrainingBatches,
        *,
        device: str,
        steps: int,
        learning_rate: float = 1e-3,
        seed: int = 1,
    ) -> None:
        self.module = DecoderModule(model, training, learning_rate=learning_rate, seed=seed, steps=steps).to(
            device
        )
        self.module.on_fit_start()
        found = self.module.configure_optimizers()
        self.optimizer = found["optimizer"]
        scheduled = found["lr_scheduler"]
        assert isinstance(scheduled, dict)  # and no bare scheduler, which Lightning takes as well
        self.schedule = scheduled["scheduler"]
        self._batches = batches
        self._device = device
        self._arithmetic = arithmetic(training, device)
        self._taken = 0

    def run(self, steps: int) -> float:
        """Train ``steps`` steps; returns the last loss, the only one that is waited for."""
        for _ in range(steps):
            loss = self.step()
        return loss.item()

    def step(self) -> torch.Tensor:
        """One optimizer step; returns the loss without waiting for it."""
        inputs, targets = self._batches.batch(self._taken)  # (B, T) each
        batch = (self._moved(inputs), self._moved(targets))
        self.module.on_train_batch_start(batch, self._taken)
        with self._arithmetic:
            loss = self.module.training_step(batch, self._taken)
        self.optimizer.zero_grad()
        loss.backward()
        self.module.configure_gradient_clipping(self.optimizer)
        self.optimizer.step()
        self.schedule.step()
        self._taken += 1
        return loss.detach()

    def _moved(self, part: torch.Tensor) -> torch.Tensor:
        if part.device.type == self._device:
            return part
        return part.pin_memory().to(self._device, non_blocking=True)
