"""A study whose baseline was trained at other budgets, on real records with known gains."""

import math

from tests.analysis.synthetic_studies import BASELINE_LOSSES, TOKENS, Study, manifest, shifted, variant
from workbench.records.run import RunRecord, State, config_hash, run_id, write_record

SLOPE = -0.4
RUNGS = {share: f"baseline at {int(share * TOKENS):,} tokens" for share in (0.25, 0.5, 2.0, 4.0)}
SEEDS = [401, 402, 403]
MEAN = sum(BASELINE_LOSSES) / len(BASELINE_LOSSES)
NOISE = [0.001, -0.002, 0.001]
RATES = [0.003, 0.006, 0.012]


def gain_of(change):
    """The gain in tokens of a variant whose losses differ by ``change``, but for its noise."""
    return math.exp((change + 0.0002) / SLOPE)


def _config(name, tokens):
    model = {"variant": name, "vocabulary": 257, "context": 128}
    return {"model": model, "data": {}, "training": {"device": "cpu", "threads": 1, "tokens": tokens}}


class GainStudy(Study):
    """A study of which the manifest names the configurations, as one with other budgets does."""

    def run(self, variant, seed, loss=None, phase="confirm", *, rate=0.006, tokens=TOKENS, state=None):
        state = State(state or ("complete" if loss is not None else "diverged"))
        entry = next((one for one in self.manifest["variants"] if one["name"] == variant), None)
        cost = entry["flops_per_token"] if entry else 800_000
        config = _config(variant, tokens)
        pace = 1.25 if variant == "feedforward=relu" else 1.0
        record = RunRecord(
            run_id=run_id(config, phase, {"learning_rate": rate}, seed),
            study=self.manifest["name"],
            variant=variant,
            phase=phase,
            seed=seed,
            hyperparameters={"learning_rate": rate},
            config=config,
            state=state,
            error=None if state is State.COMPLETE else "loss is not finite",
            summary={} if loss is None else {"validation/loss": loss},
            cost={"tokens": tokens, "flops": float(tokens * cost), "seconds": pace * 36.0 * tokens / TOKENS},
            progress={"step": 10, "steps": 10},
            provenance={"hardware": {"device": "cpu", "processor": "Testium 9", "cores": 2}},
        )
        write_record(self.path, record)
        return self

    def rung(self, share, losses, rate=0.006):
        """The runs of a budget at its rate; None is one that diverged."""
        for seed, loss in zip(SEEDS, losses, strict=True):
            self.run(RUNGS[share], seed, loss, "gain", rate=rate, tokens=int(share * TOKENS))
        return self

    def tuned_at(self, share, best):
        """The tuning runs of a budget, with a parabola in log rate around ``best``."""
        for rate in RATES:
            for seed in self.manifest["seeds"]["tune"]:
                loss = 3.0 + 0.1 * math.log2(rate / best) ** 2 + 0.001 * (seed % 2)
                self.run(RUNGS[share], seed, loss, "gain", rate=rate, tokens=int(share * TOKENS))
        return self


def gain_manifest(variants=None, *, tuned=False, **changes):
    """A manifest that asks for gains; ``tuned``: with a tuning phase, else of one rate."""
    entries = variants or [
        variant("baseline"),
        variant("positions=learned", positions="learned"),
        variant("norm=layernorm", norm="layernorm"),
        variant("feedforward=relu", flops_per_token=1_000_000, feedforward="relu"),
    ]
    for entry in entries:
        entry["config_hash"] = config_hash(_config(entry["name"], TOKENS))
    rungs = [
        {
            "name": name,
            "tokens": int(share * TOKENS),
            "config_hash": config_hash(_config(name, int(share * TOKENS))),
        }
        for share, name in RUNGS.items()
    ]
    own = {
        "gain": {"rungs": rungs, "seeds": SEEDS},
        "seeds": {"pilot": [], "tune": [101, 102] if tuned else [], "confirm": [201, 202, 203, 204, 205]},
        "phases": ["tune", "confirm", "gain"] if tuned else ["confirm", "gain"],
        "learning_rates": RATES if tuned else [0.006],
    }
    return manifest(entries, **(own | changes))


def rung_losses(share):
    """Three losses at a budget, on a straight line in ln tokens through the baseline's mean."""
    return [MEAN + SLOPE * math.log(share) + noise for noise in NOISE]


def gain_study(path, **changes):
    """A finished study: learned positions cost compute, LayerNorm none beyond noise, ReLU saves some."""
    study = GainStudy(path, gain_manifest(**changes))
    study.confirm("baseline", BASELINE_LOSSES)
    study.confirm("positions=learned", shifted(0.2))
    study.confirm("norm=layernorm", shifted(0.001))
    study.confirm("feedforward=relu", shifted(-0.1))
    for share in RUNGS:
        study.rung(share, rung_losses(share))
    return study
