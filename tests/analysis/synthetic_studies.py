"""Studies with known answers, written as real records: what the analysis tests read."""

import numpy as np
import pandas as pd

from workbench.files import write_yaml
from workbench.records.index import load_study
from workbench.records.run import RunRecord, State, run_id, write_record

TOKENS, STEPS, EVALUATIONS = 500_000, 240, 10
VOCABULARY = 257  # a uniform guess loses 5.549 nats per token
RATES = [0.003, 0.006, 0.012]
LEVELS = {
    "positions": ["rope", "learned"],
    "norm": ["rmsnorm", "layernorm"],
    "feedforward": ["swiglu", "relu"],
}
BASE = {factor: levels[0] for factor, levels in LEVELS.items()}


def variant(name, flops_per_token=800_000, **change):
    """A manifest's entry: ``change`` gives the levels that differ from the baseline."""
    return {
        "name": name,
        "levels": BASE | change,
        "change": {factor: [BASE[factor], level] for factor, level in change.items()},
        "parameters": 123_456,
        "nonembedding_parameters": 100_000,
        "flops_per_token": flops_per_token,
        "mismatch": 0.0 if not change else -0.003,
        "model": {},
    }


def one_at_a_time():
    changed = [variant(f"{factor}={levels[1]}", **{factor: levels[1]}) for factor, levels in LEVELS.items()]
    return [variant("baseline"), *changed]


def manifest(variants=None, **changes):
    """A manifest with pilot, tuning and five confirm seeds; ``changes`` replace keys."""
    body = {
        "name": "synthetic",
        "question": "Does it help, beyond noise?",
        "hash": "3f2a00112233",
        "design": "one_at_a_time",
        "factors": LEVELS,
        "match": "parameters",
        "metric": "validation/loss",
        "margin": 0.02,
        "baseline": "baseline",
        "variants": variants or one_at_a_time(),
        "learning_rates": RATES,
        "seeds": {"pilot": [1, 2, 3], "tune": [101, 102], "confirm": [201, 202, 203, 204, 205]},
        "phases": ["pilot", "tune", "confirm"],
        "training": {"tokens": TOKENS, "batch_size": 16, "steps": STEPS},
        "context": 128,
        "data": {"description": "Python 3.11 standard library, 612 files", "train_tokens": 9_000_000},
        "versions": {"python": "3.11.7", "torch": "2.13", "lightning": "2.6", "optuna": "5.0"},
        "git_commit": "abc1234",
        "git_dirty": False,
        "command": "workbench run ablations/synthetic.yaml",
    }
    return body | changes


class Study:
    """Writes runs into a results directory and loads it; ``model`` is what else their models say."""

    def __init__(self, path, manifest, **model):
        self.path, self.manifest, self.model = path, manifest, model
        write_yaml(path / "study.yaml", manifest)

    def run(
        self,
        variant,
        seed,
        loss=None,
        phase="confirm",
        *,
        rate=0.006,
        state=None,
        curve=False,
        tokens=TOKENS,
        error="loss is not finite",
    ):
        """One run with final ``loss``; without one it has ``state`` (default: diverged), and ``error``."""
        entry = next(item for item in self.manifest["variants"] if item["name"] == variant)
        state = State(state or ("complete" if loss is not None else "diverged"))
        model = {"variant": variant, "vocabulary": VOCABULARY, **self.model}
        config = {"model": model, "data": {}, "training": {"device": "cpu", "threads": 1}}
        spent = tokens if state is State.COMPLETE else tokens // 5
        record = RunRecord(
            run_id=run_id(config, phase, {"learning_rate": rate}, seed),
            study=self.manifest["name"],
            variant=variant,
            phase=phase,
            seed=seed,
            hyperparameters={"learning_rate": rate},
            config=config,
            state=state,
            error=None if state is State.COMPLETE else error,
            summary={} if loss is None else _summary(loss),
            cost={
                "tokens": spent,
                "flops": float(spent * entry["flops_per_token"]),
                "seconds": 36.0,
                "parameters": 123_456,
                "flops_per_token": entry["flops_per_token"],
            },
            progress={"step": STEPS, "steps": STEPS},
            provenance={
                "git_commit": "abc1234",
                "git_dirty": False,
                "versions": {"torch": "2.13"},
                "hardware": {"device": "cpu", "processor": "Testium 9", "cores": 2},
                "precision": "fp32",
            },
            attempts=1,
        )
        frame = learning_curve(loss, entry["flops_per_token"]) if curve and loss is not None else None
        write_record(self.path, record, frame)
        return self

    def tune(self, best=0.006, variants=None, seeds=(101, 102), rates=RATES):
        """Tuning runs with a parabola in log rate around ``best``."""
        for name in variants or [item["name"] for item in self.manifest["variants"]]:
            for rate in rates:
                for seed in seeds:
                    loss = 3.0 + 0.1 * np.log2(rate / best) ** 2 + 0.001 * (seed % 2)
                    self.run(name, seed, float(loss), "tune", rate=rate)
        return self

    def pilot(self, losses=(3.0, 3.02, 2.98)):
        for seed, loss in enumerate(losses, 1):
            self.run("baseline", seed, loss, "pilot")
        return self

    def confirm(self, variant, losses, **options):
        """Confirm runs on the planned seeds; None is a diverged run, "missing" no run at all."""
        for seed, loss in zip(self.manifest["seeds"]["confirm"], losses, strict=False):
            if loss != "missing":
                self.run(variant, seed, loss, **options)
        return self

    def load(self):
        return load_study(self.path)


def _summary(loss):
    bits = loss / np.log(2)  # a token is a byte
    return {"validation/loss": loss, "validation/bits_per_byte": bits, "train/loss": loss - 0.1}


def learning_curve(final, flops_per_token):
    """Losses that fall by 0.5 nats for each e-fold of tokens, down to ``final`` at the end."""
    steps = np.arange(1, EVALUATIONS + 1) * STEPS // EVALUATIONS
    tokens = steps * TOKENS // STEPS
    return pd.DataFrame(
        {
            "step": steps,
            "tokens": tokens,
            "flops": tokens * float(flops_per_token),
            "seconds": steps * 0.1,
            "validation/loss": final - 0.5 * np.log(tokens / TOKENS),
        }
    )


BASELINE_LOSSES = [3.00, 3.03, 2.98, 3.01, 2.99]
OFFSETS = np.array([0.003, -0.002, 0.001, -0.003, 0.002])


def shifted(by, spread=1.0):
    """The baseline's losses moved by ``by``, with a little noise of its own (mean 0.0002)."""
    return [float(loss + by + spread * noise) for loss, noise in zip(BASELINE_LOSSES, OFFSETS, strict=True)]


def full_study(path, **changes):
    """A finished study: learned positions worse by 0.2, LayerNorm equivalent, ReLU undecided."""
    study = Study(path, manifest(**changes)).pilot().tune()
    study.confirm("baseline", BASELINE_LOSSES, curve=True)
    study.confirm("positions=learned", shifted(0.2), curve=True)
    study.confirm("norm=layernorm", shifted(0.001), curve=True)
    study.confirm("feedforward=relu", shifted(0.03, spread=10), curve=True)
    return study
