"""A ladder with known effects, on real records: norms that hold, feed-forward networks that shrink."""

from tests.analysis.synthetic_studies import BASELINE_LOSSES, Study, manifest, variant

SEEDS = [201, 202, 203, 204, 205]
# What each change adds to the loss at each rung, and the noise of each seed, whose mean is 0.
EFFECTS = {
    "norm": (0.100, 0.104, 0.099, 0.101),
    "feedforward": (0.30, 0.22, 0.14, 0.05),
    "positions": (0.20, 0.05, -0.04, -0.20),
}
CHANGED = {"norm": "layernorm", "feedforward": "relu", "positions": "learned"}
NOISE = [0.003, -0.002, 0.001, -0.003, 0.001]
FLOPS = [80_000, 800_000, 8_000_000, 80_000_000]  # of a token, which is a decade of compute between rungs


def called(factor):
    return f"{factor}={CHANGED[factor]}"


def rung_names(number):
    """By name in the manifest, what every rung calls its variants."""
    names = ["baseline", *map(called, EFFECTS)]
    return {f"rung {number}: {name}": name for name in names}


def ladder_manifest(rungs=3, **changes):
    """The manifest of a ladder of so many rungs of 500,000 tokens."""
    variants, recorded = [], []
    for number in range(1, rungs + 1):
        flops = FLOPS[number - 1]
        variants.append(variant(f"rung {number}: baseline", flops))
        for factor, level in CHANGED.items():
            variants.append(variant(f"rung {number}: {called(factor)}", flops, **{factor: level}))
        recorded.append(
            {
                "size": {"layers": number, "width": 64 * number, "heads": 4, "feedforward_width": 128},
                "tokens": 500_000,
                "batch_size": 16,
                "compute": float(500_000 * flops),
                "baseline": f"rung {number}: baseline",
                "variants": rung_names(number),
            }
        )
    own = {"baseline": "rung 1: baseline", "rungs": recorded, "name": "ladder"}
    seeds = {"pilot": [], "tune": [101], "confirm": SEEDS}
    return manifest(variants, **(own | {"seeds": seeds, "phases": ["tune", "confirm"]} | changes))


def ladder_study(path, rungs=3, until=None, lost=None, noise=1.0, **changes):
    """A finished ladder; ``until`` is the last rung that was confirmed, ``lost`` a variant that diverged."""
    study = Study(path, ladder_manifest(rungs, **changes), context=128).tune(seeds=(101,))
    for number in range(1, (until or rungs) + 1):
        for name, short in rung_names(number).items():
            losses = [loss - 0.2 * number for loss in BASELINE_LOSSES]
            for turn, factor in enumerate(EFFECTS):
                if short == called(factor):
                    scatter = [noise * NOISE[(place + turn + number) % len(NOISE)] for place in range(5)]
                    losses = [
                        loss + EFFECTS[factor][number - 1] + one
                        for loss, one in zip(losses, scatter, strict=True)
                    ]
            study.confirm(name, [None] * 5 if name == lost else losses, curve=True)
    return study
