"""Studies to measure the driver and the dashboard with: a tiny text, a plan, and finished runs on disk."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.data.batches import prepare
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.run import Phase, RunRecord, State, now, write_record
from workbench.study.plan import Plan
from workbench.study.schema import parse_study

_DOCUMENTS, _LINES, _WORDS = 12, 60, 8
_TINY = {
    "question": "How long does everything but training take?",
    "baseline": "llama",
    "size": {"layers": 1, "width": 16, "heads": 2},
    "context": 16,
    "design": "one_at_a_time",
    "factors": {"norm": ["rmsnorm", "layernorm"]},
    "training": {"tokens": 256, "batch_size": 4, "evaluations": 1, "evaluation_tokens": 64},
    "learning_rates": [0.01],
    "grid_growth": 0,
    "seeds": {"tune": 0, "confirm": 4},
    "margin": 0.05,
}
# 4 variants x 4 rates x 5 seeds, 4 variants x 105 seeds.
FIVE_HUNDRED = {
    "factors": {"norm": ["rmsnorm", "layernorm", "dynamic_tanh", "none"]},
    "learning_rates": [0.003, 0.006, 0.012, 0.024],
    "seeds": {"tune": 5, "confirm": 105},
}


def write_text(folder: Path) -> Path:
    """A small corpus of made-up lines."""
    words = random.Random(0)
    folder.mkdir(parents=True)
    for index in range(_DOCUMENTS):
        lines = [
            " ".join(words.choices(["alpha", "beta", "gamma", "delta"], k=_WORDS)) for _ in range(_LINES)
        ]
        (folder / f"{index}.txt").write_text("\n".join(lines))  # into a folder of this process alone
    return folder


def tiny_plan(folder: Path, device: str, **changes: object) -> Plan:
    """The plan of a study of trivial trials in ``folder``; ``changes`` replace keys of its file."""
    text = folder / "text"
    corpus = {"path": str(text if text.exists() else write_text(text))}
    values = _TINY | {"name": "bench", "data": {"corpus": corpus, "tokenizer": "bytes"}} | changes
    study = parse_study(values, source="bench")
    return Plan.build(study, prepare(corpus, "bytes", folder / "cache"), device)


def write_finished(plan: Plan, directory: Path, points: int | None = None) -> int:
    """Write every trial of ``plan`` as if it had run, with ``points`` metric rows each; how many they are."""
    count = 0
    for record in _trials(plan):
        finish(record, plan)
        frame = _curve(record, points, plan.tokens) if points else None
        write_record(directory, record, frame)
        count += 1
    return count


def _trials(plan: Plan) -> Iterator[RunRecord]:
    """Every trial of the study's phases; the middle rate is the best, so that no grid grows."""
    grids = plan.grids()
    if Phase.TUNE in plan.study.phases:
        yield from plan.tune(grids)
    yield from plan.confirm({name: grid[len(grid) // 2] for name, grid in grids.items()})


def _loss(record: RunRecord, plan: Plan) -> float:
    """An invented loss: lowest at the middle rate, with a seed's and a variant's share."""
    candidates = plan.grids()[record.variant]
    detuned = 0.1 * abs(candidates.index(record.hyperparameters) - len(candidates) // 2)
    names = [variant.name for variant in plan.variants]
    luck = np.random.default_rng([record.seed, names.index(record.variant)]).normal(0, 0.01)
    return 2.0 + detuned + 0.02 * names.index(record.variant) + float(luck)


def finish(record: RunRecord, plan: Plan) -> None:
    """Make the record that of a trial which is complete, with an invented loss."""
    loss = _loss(record, plan)
    record.state, record.attempts = State.COMPLETE, 1
    record.started = record.finished = now()
    record.progress = {"step": plan.steps, "steps": plan.steps}
    record.summary = {
        "validation/loss": loss,
        "validation/bits_per_byte": loss / np.log(2),
        "train/loss": loss,
    }
    model = next(variant.model for variant in plan.variants if variant.name == record.variant)
    record.cost = {
        "tokens": plan.tokens,
        "flops": float(plan.tokens * model.flops_per_token()),
        "seconds": 8.0,
        "parameters": model.num_parameters(),
        "flops_per_token": model.flops_per_token(),
        "peak_memory_bytes": 400_000_000,
        "tokens_per_second": 50_000.0,
    }


def _curve(record: RunRecord, points: int, tokens: int) -> pd.DataFrame:
    """Metric rows as a trial writes them: a falling loss with noise, a validation every tenth row."""
    steps = np.arange(1, points + 1)  # (points,)
    part = steps / points  # (points,)
    end = record.measured("validation/loss")
    ideal = end + 3.5 * np.exp(-5.5 * part**0.6)  # (points,)
    noise = np.random.default_rng(record.seed).normal(0, 0.05, points)  # (points,)
    validation = np.where(steps % 10 == 0, ideal, np.nan)  # (points,)
    return pd.DataFrame(
        {
            "step": steps,
            "tokens": (tokens * part).astype(int),
            "flops": record.measured("flops") * part,
            "seconds": record.measured("seconds") * part,
            "train/loss": ideal + noise,
            "learning_rate": record.hyperparameters[LEARNING_RATE] * (0.55 + 0.45 * np.cos(np.pi * part)),
            "gradient_norm": 1 + np.abs(noise),
            "tokens_per_second": 50_000 + 1000 * noise,
            "memory_bytes": 4e8,
            "validation/loss": validation,
            "validation/bits_per_byte": validation / np.log(2),
        }
    )
