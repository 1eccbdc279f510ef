"""Two ways to train a decoder of the workbench: its real path, a trial under Lightning, and a bare loop.

Both take the very same steps. What the real path costs beyond the bare loop is Lightning, the callbacks and
the data loader.
"""

from pathlib import Path

import numpy as np

from workbench.bench.sizes import Size
from workbench.data.batches import TokenizedCorpus
from workbench.data.tokenizers import ByteTokenizer
from workbench.model.config import ModelConfig
from workbench.records.hyperparameters import LEARNING_RATE, Hyperparameters
from workbench.records.run import FINISHED, Phase, RunConfig, RunDirectory, RunRecord, State, run_id
from workbench.training.config import TrainingConfig
from workbench.training.run import Run, Watcher
from workbench.training.step_loop import StepLoop
from workbench.training.trial import run_trial

_HYPERPARAMETERS: Hyperparameters = {LEARNING_RATE: 1e-3}


class _RandomTokenizer(ByteTokenizer):
    """Stands for any vocabulary; what random tokens say is nobody's concern."""

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary

    def byte_lengths(self) -> np.ndarray:
        """One byte each: ``(V,)``."""
        return np.ones(self.vocabulary, dtype=np.int64)


def training_of(size: Size, *, steps: int, precision: str, compiled: bool) -> TrainingConfig:
    """How a trial of ``size`` is trained for ``steps`` steps, with one validation at the end."""
    return TrainingConfig(
        tokens=steps * size.tokens_per_step,
        batch_size=size.batch_size,
        evaluations=1,
        evaluation_tokens=size.context,
        precision=precision,
        compile=compiled,
    )


def make_run(
    model: ModelConfig,
    training: TrainingConfig,
    tokens: np.ndarray,
    *,
    device: str,
    folder: Path,
    seed: int = 1,
) -> Run:
    """A run on random ``tokens (N,)`` that nothing has happened to yet, in ``folder``."""
    config: RunConfig = {
        "model": model.to_dict(),
        "data": {"corpus": "random", "tokenizer": "bytes"},
        "training": training.model_dump(mode="json") | {"device": device},
    }
    name = run_id(config, Phase.CONFIRM, _HYPERPARAMETERS, seed)
    directory = RunDirectory(folder / "runs" / name)
    directory.write(
        RunRecord(
            run_id=name,
            study="benchmark",
            variant="baseline",
            phase=Phase.CONFIRM,
            seed=seed,
            hyperparameters=_HYPERPARAMETERS,
            config=config,
        )
    )
    tokenizer = _RandomTokenizer(model.vocabulary)
    return Run(directory, TokenizedCorpus(tokens, tokens, tokenizer=tokenizer, meta={}))


def train_for_real(run: Run, watcher: Watcher) -> RunRecord:
    """Train as the workbench's workers do; raises ``RuntimeError`` with the record's error if that fails."""
    record = run_trial(run.directory, lambda data: run.corpus, watcher)
    if record.state in FINISHED and record.state is not State.COMPLETE:
        raise RuntimeError(record.error)
    return record


class BareLoop(StepLoop):
    """The steps of ``run`` by themselves."""

    def __init__(self, run: Run) -> None:
        super().__init__(
            run.model,
            run.training,
            run.training_batches(),
            device=run.device,
            steps=run.steps,
            learning_rate=run.learning_rate,
            seed=run.record.seed,
        )
