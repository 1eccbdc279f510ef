"""Steps a ``Population`` by itself, as ``BareLoop`` steps a ``DecoderModule``."""

import torch

from workbench.data.batches import ReplicatedBatches
from workbench.training.population.population import Population, Replica
from workbench.training.run import Run
from workbench.training.step_loop import arithmetic


class BarePopulation:
    """Runs of one model and training that train together, without Lightning around them."""

    def __init__(self, runs: list[Run]) -> None:
        first = runs[0]
        replicas = [
            Replica(training=run.training, learning_rate=run.learning_rate, seed=run.record.seed)
            for run in runs
        ]
        self.module = Population(first.model, replicas, steps=first.steps).to(first.device)
        self.module.on_fit_start()
        self.optimizer = self.module.configure_optimizers()
        trials = [run.training_batches() for run in runs]
        self._batches = ReplicatedBatches(first.corpus.train, trials, first.model.context, first.device)
        self._arithmetic = arithmetic(first.training, first.device)
        self._taken = 0

    def step(self) -> torch.Tensor:
        """One step of every replica; returns their losses ``(R,)`` without waiting for them."""
        batch = self._batches.batch(self._taken)  # (R, B, T) each
        self.module.on_train_batch_start(batch, self._taken)
        with self._arithmetic:
            found = self.module.training_step(batch, self._taken)
        self.optimizer.zero_grad()
        found["loss"].backward()
        self.optimizer.step()
        self._taken += 1
        return found["losses"]
