"""A calibration with known noise, as real records: a baseline, its null twin and two small changes."""

import numpy as np

from tests.analysis.synthetic_studies import Study, manifest, variant

TWIN, FASTER, WIDER = "null-twin", "rate-x1.1", "one-step-wider"
SD = 0.02  # of a run, without what all runs of a seed share
EFFECTS = {"baseline": 0.0, TWIN: 0.0, FASTER: -0.05, WIDER: -0.002}


def calibration_manifest(seeds=24, names=tuple(EFFECTS), **changes):
    def entry(name, **change):
        made = variant(name)
        made["model"] = {"vocabulary": 257, "context": 128}
        made["change"] = {factor: list(pair) for factor, pair in change.items()}
        return made

    known = {
        "baseline": entry("baseline"),
        TWIN: entry(TWIN, draws=("usual", "twin")),
        FASTER: entry(FASTER, rate_multiplier=("1", "1.1")),
        WIDER: entry(WIDER, size=("feedforward_width=176", "feedforward_width=184")),
    }
    return manifest(
        [known[name] for name in names],
        **{
            "name": "noise",
            "design": "explicit",
            "factors": {},
            "learning_rates": [0.006],
            "seeds": {"pilot": [], "tune": [], "confirm": list(range(1, seeds + 1))},
            "phases": ["confirm"],
            **changes,
        },
    )


def calibration_study(path, seeds=24, names=tuple(EFFECTS), lost=(), **changes):
    """All runs of it, but those of ``lost``, (variant, seed), which diverged."""
    made = Study(path, calibration_manifest(seeds, names, **changes), context=128)
    generator = np.random.default_rng(0)
    shared = 3 + SD * generator.standard_normal(seeds)
    for name in names:
        losses = shared + EFFECTS[name] + SD * generator.standard_normal(seeds)
        made.confirm(
            name,
            [None if (name, seed) in lost else float(loss) for seed, loss in enumerate(losses, 1)],
            curve=True,
        )
    return made
