"""Made-up studies with known numbers, written the way a driver writes real ones.

The losses are invented; everything else (states, files, manifest) has the shape of a small real study.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.files import write_json, write_yaml
from workbench.records.metrics import save_frame
from workbench.records.run import RunDirectory, RunRecord, State, config_hash, run_id, write_record

RATES = [0.003, 0.006, 0.012, 0.024]
SEEDS = {"pilot": [1, 2, 3], "tune": [101, 102], "confirm": [201, 202, 203, 204, 205]}
BATCH, CONTEXT, STEPS = 16, 128, 195
VARIANTS = {
    "baseline": ({}, 0.0, 0.0, 118_784, 0.012),
    "positions=learned": ({"positions": ["rope", "learned"]}, 0.21, 0.022, 126_976, 0.012),
    "norm=layernorm": ({"norm": ["rmsnorm", "layernorm"]}, -0.002, 0.006, 119_104, 0.012),
    "feedforward=relu": ({"feedforward": ["swiglu", "relu"]}, 0.028, 0.020, 118_272, 0.006),
}
BASE = {"positions": "rope", "norm": "rmsnorm", "feedforward": "swiglu"}
PROVENANCE = {
    "git_commit": "3b6f87b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6",
    "git_dirty": False,
    "versions": {"python": "3.11.7", "torch": "2.13.0", "lightning": "2.6.1"},
    "hardware": {"device": "cpu", "name": "AMD EPYC 7B13", "cores": 2},
    "precision": "float32",
    "command": "workbench run ablations/quickstart.yaml",
}
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Trial:
    """One invented trial."""

    variant: str
    phase: str
    seed: int
    rate: float


def model(name: str) -> dict:
    """A model configuration whose levels follow the variant."""
    levels = BASE | {factor: pair[1] for factor, pair in VARIANTS[name][0].items()}
    width = 256 if levels["feedforward"] == "relu" else 176
    return {
        "vocabulary": 257,
        "context": CONTEXT,
        "width": 64,
        "layers": 2,
        "heads": 4,
        "feedforward_width": width,
        "norm_placement": "pre",
        "positions": {"name": levels["positions"]}
        | ({"base": 10000.0} if levels["positions"] == "rope" else {}),
        "norm": {"name": levels["norm"], "eps": 1e-5},
        "feedforward": {"name": levels["feedforward"]},
        "initialization": {"name": "normal", "deviation": 0.02},
    }


def config(name: str) -> dict:
    """All that a trial needs, but its seed and learning rate."""
    training = {
        "tokens": STEPS * BATCH * CONTEXT,
        "batch_size": BATCH,
        "device": "cpu",
        "precision": "float32",
    }
    return {
        "model": model(name),
        "data": {"corpus": "python-stdlib", "tokenizer": "bytes"},
        "training": training,
    }


def manifest(name: str = "quickstart", seeds: dict | None = None) -> dict:
    """What ``study.yaml`` holds."""
    seeds = seeds or SEEDS
    variants = []
    for variant, (change, _, _, parameters, _) in VARIANTS.items():
        levels = BASE | {factor: pair[1] for factor, pair in change.items()}
        variants.append(
            {
                "name": variant,
                "levels": levels,
                "change": change,
                "parameters": parameters,
                "nonembedding_parameters": parameters - 33_000,
                "flops_per_token": 6 * parameters + 196_608,
                "mismatch": round((parameters - 118_784) / 118_784, 4) if "positions" not in change else 0.0,
                "config_hash": config_hash(config(variant)),
                "model": model(variant),
            }
        )
    return {
        "name": name,
        "question": "Which parts of the LLaMA recipe help a very small model, at this budget, beyond noise?",
        "design": "one_at_a_time",
        "match": "parameters",
        "metric": "validation/loss",
        "margin": 0.02,
        "factors": {
            factor: [BASE[factor], *[v[0][factor][1] for v in VARIANTS.values() if factor in v[0]]]
            for factor in BASE
        },
        "baseline": "baseline",
        "variants": variants,
        "learning_rates": RATES,
        "grid_growth": 2,
        "seeds": seeds,
        "phases": ["pilot", "tune", "confirm"],
        "context": CONTEXT,
        "training": {"tokens": STEPS * BATCH * CONTEXT, "batch_size": BATCH, "steps": STEPS, "device": "cpu"},
        "data": {
            "corpus": "Python 3.11.7 standard library, 612 files, 10.2 MB",
            "tokenizer": "bytes",
            "fingerprint": "a1b2c3d4e5f6",
            "train_tokens": 9_240_111,
            "validation_tokens": 1_022_340,
        },
        "hash": "3f2a9c81d0e4",
        "versions": PROVENANCE["versions"],
        "git_commit": PROVENANCE["git_commit"],
        "git_dirty": False,
        "command": PROVENANCE["command"],
    }


def final_loss(trial: Trial) -> float:
    """The invented validation loss, nats/token: a seed's luck is shared by all variants of that seed."""
    _, effect, sd, _, best = VARIANTS[trial.variant]
    shared = np.random.default_rng([7, trial.seed]).normal(0, 0.025)
    own = np.random.default_rng([11, trial.seed, list(VARIANTS).index(trial.variant)]).normal(0, 1) * sd
    detuned = 0.035 * np.log2(trial.rate / best) ** 2
    return float(2.142 + effect + shared + own + detuned)


def curve(trial: Trial, *, last: int = STEPS) -> pd.DataFrame:
    """Metric rows of one run: training every step, validation every 15."""
    steps = np.arange(1, last + 1)
    flops_per_token = 6 * VARIANTS[trial.variant][3] + 196_608
    end = final_loss(trial)
    generator = np.random.default_rng([13, trial.seed, int(trial.rate * 1e6)])
    ideal = end + (5.56 - end) * np.exp(-5.5 * (steps / STEPS) ** 0.62)
    ideal = ideal - (ideal[-1] - end) * (steps / STEPS) if last == STEPS else ideal
    tokens = steps * BATCH * CONTEXT
    validation = np.where((steps % 15 == 0) | (steps == STEPS), ideal, np.nan)
    return pd.DataFrame(
        {
            "step": steps,
            "tokens": tokens,
            "flops": tokens * float(flops_per_token),
            "seconds": np.round(steps * 0.041 + 0.02, 4),
            "train/loss": ideal - 0.02 + generator.normal(0, 0.045, last),
            "learning_rate": trial.rate
            * np.minimum(1, steps / 20)
            * (0.55 + 0.45 * np.cos(np.pi * steps / STEPS)),
            "gradient_norm": 0.6 + 3 * np.exp(-steps / 25) + generator.gamma(2, 0.08, last),
            "tokens_per_second": 49_000 + generator.normal(0, 900, last),
            "memory_bytes": np.full(last, 412_000_000.0),
            "validation/loss": validation,
            "validation/bits_per_byte": validation / np.log(2),
        }
    )


def record(study: str, trial: Trial, state: State, index: int, error: str | None = None) -> RunRecord:
    """The record of one trial, with costs and summary as far as its state allows."""
    settings = config(trial.variant)
    done = state is State.COMPLETE
    steps = {State.COMPLETE: STEPS, State.DIVERGED: 40}.get(state, 0)
    loss = final_loss(trial)
    tokens = steps * BATCH * CONTEXT
    flops_per_token = 6 * VARIANTS[trial.variant][3] + 196_608
    began = START + timedelta(seconds=5 * index)
    return RunRecord(
        run_id=run_id(settings, trial.phase, {"learning_rate": trial.rate}, trial.seed),
        study=study,
        variant=trial.variant,
        phase=trial.phase,
        seed=trial.seed,
        hyperparameters={"learning_rate": trial.rate},
        config=settings,
        state=state,
        error=error,
        summary={
            "validation/loss": loss,
            "validation/bits_per_byte": loss / np.log(2),
            "train/loss": loss - 0.02,
        }
        if done
        else {},
        cost={
            "tokens": tokens,
            "flops": float(tokens * flops_per_token),
            "seconds": 8.0 + 0.1 * (trial.seed % 5),
            "parameters": VARIANTS[trial.variant][3],
            "flops_per_token": flops_per_token,
            "peak_memory_bytes": 412_000_000,
            "tokens_per_second": 49_000.0,
        }
        if steps
        else {},
        progress={"step": steps, "steps": STEPS},
        provenance=PROVENANCE,
        created=began.isoformat(),
        started=began.isoformat() if state is not State.QUEUED else None,
        finished=(began + timedelta(seconds=9)).isoformat() if done else None,
        attempts=0 if state is State.QUEUED else 1,
    )


def trials(seeds: dict) -> list[Trial]:
    """Every trial of the study, in the order a driver starts them."""
    pilot = [Trial("baseline", "pilot", seed, 0.006) for seed in seeds["pilot"]]
    tune = [Trial(v, "tune", s, r) for s in seeds["tune"] for r in RATES for v in VARIANTS]
    confirm = [Trial(v, "confirm", s, VARIANTS[v][4]) for s in seeds["confirm"] for v in VARIANTS]
    return pilot + tune + confirm


def is_diverged(trial: Trial) -> bool:
    """The one trial of the study that blows up."""
    return trial == Trial("positions=learned", "tune", 101, 0.024)


def write_study(
    results: Path,
    name: str = "quickstart",
    *,
    confirm: int = 5,
    live: bool = False,
    damaged: bool = False,
    seeds: dict | None = None,
) -> Path:
    """Write a study whose first ``confirm`` confirmation seeds are finished; returns its directory.

    ``live`` leaves the rest running or queued under a beating driver; ``damaged`` adds a half-written record.
    """
    seeds = seeds or SEEDS
    path = Path(results) / name
    write_yaml(path / "study.yaml", manifest(name, seeds))
    waiting = 0
    for index, trial in enumerate(trials(seeds)):
        if trial.phase != "confirm" or trial.seed in seeds["confirm"][:confirm]:
            _write_finished(path, name, trial, index)
        elif live:
            _write_unfinished(path, name, trial, index, running=waiting == 0)
            waiting += 1
    write_json(path / "driver.json", _driver(live, confirm, len(seeds["confirm"])))
    if damaged:
        broken = path / "runs" / "deadbeef0000"
        broken.mkdir(parents=True)
        (broken / "run.json").write_text('{"run_id": "deadbeef0000", "study": "quick')
    return path


def _write_finished(path: Path, name: str, trial: Trial, index: int) -> None:
    if is_diverged(trial):
        message = "the training loss became nan at step 41; try a smaller learning rate"
        write_record(path, record(name, trial, State.DIVERGED, index, message), curve(trial, last=40))
    else:
        write_record(path, record(name, trial, State.COMPLETE, index), curve(trial))


def _write_unfinished(path: Path, name: str, trial: Trial, index: int, *, running: bool) -> None:
    state = State.RUNNING if running else State.QUEUED
    directory = write_record(path, record(name, trial, state, index))
    if running:
        rows = curve(trial, last=90).to_dict("records")
        lines = [json.dumps({k: v for k, v in row.items() if v == v}) for row in rows]
        # The last line is cut short, as a reader sees it while it is being written.
        (directory.path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 91, "tok')


def beat(path: Path) -> None:
    """Give a live study a fresh sign of life."""
    driver = json.loads((path / "driver.json").read_text())
    write_json(path / "driver.json", driver | {"updated": datetime.now(UTC).isoformat()})


def _driver(live: bool, done: int, planned: int) -> dict:
    now = datetime.now(UTC)
    return {
        "pid": 4242,
        "host": "workstation",
        "started": (now - timedelta(minutes=6)).isoformat(),
        "updated": now.isoformat(),
        "state": "running" if live else "done",
        "phase": "confirm" if live else None,
        "message": f"confirm: seed {done + 1} of {planned}" if live else "done",
        "seconds_left": 250.4,
        "workers": 2,
    }


def spoil(path: Path, variant: str, *, loss: float | None = None, error: str | None = None) -> None:
    """Have the confirm runs of ``variant`` end at ``loss``, or fail with ``error``."""
    for folder in (path / "runs").iterdir():
        directory = RunDirectory(folder)
        run = directory.read()
        if (run.variant, run.phase) != (variant, "confirm"):
            continue
        if loss is None:
            run.state, run.error, run.summary = State.FAILED, error, {}
            (folder / "metrics.parquet").unlink()
        else:
            scale = loss / run.summary["validation/loss"]
            run.summary = {name: value * scale for name, value in run.summary.items()}
            rows = directory.metrics()
            losses = [name for name in rows if "loss" in name or "bits" in name]
            save_frame(folder, rows.assign(**{name: rows[name] * scale for name in losses}))
        directory.write(run)
