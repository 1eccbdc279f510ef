"""Two recipes taken apart, with known contributions: three parts, or two, on real records."""

from itertools import combinations

from tests.analysis.synthetic_studies import BASELINE_LOSSES, LEVELS, Study, manifest, variant

SEEDS = [201, 202, 203, 204, 205]
# What each part adds to the loss, and the noise of each seed, which every variant has of its own.
EFFECTS = {"positions": 0.2, "norm": 0.001, "feedforward": 0.1}
NOISE = [0.003, -0.002, 0.001, -0.003, 0.001]  # its mean is 0


def cell_name(changed, factors):
    """The variant in which these factors are as in the second recipe."""
    if not changed:
        return "baseline"
    if len(changed) == len(factors):
        return "gpt2"
    if len(changed) == 1:
        return f"{changed[0]}={LEVELS[changed[0]][1]}"
    kept = next(factor for factor in factors if factor not in changed)
    return f"gpt2+{kept}={LEVELS[kept][0]}"


def apart_manifest(factors=tuple(EFFECTS), **changes):
    """The manifest of a study that takes apart the recipes which differ in ``factors``."""
    sizes = sorted({0, 1, len(factors) - 1, len(factors)})
    cells = [cell for size in sizes for cell in combinations(factors, size)]
    variants = [
        variant(cell_name(cell, factors), **{factor: LEVELS[factor][1] for factor in cell}) for cell in cells
    ]
    rest = {factor: tuple(other for other in factors if other != factor) for factor in factors}
    parts = [
        {
            "factors": [factor],
            "out": cell_name((factor,), factors),
            "into": cell_name(rest[factor], factors),
        }
        for factor in factors
    ]
    stack = {"origin": "llama", "whole": "gpt2", "parts": parts}
    return manifest(variants, design="dismantle", stack=stack, **changes)


def losses(changed, together=0.0, effects=EFFECTS, noise=1.0, seeds=5):
    """Of each seed: the baseline's, what the changed parts add, and ``together`` where all are changed.

    Each part has a noise of its own, which is that of the seed turned by the part's place.
    """
    found = []
    for place in range(seeds):
        loss = BASELINE_LOSSES[place % len(BASELINE_LOSSES)]
        for turn, factor in enumerate(effects):
            if factor in changed:
                loss += effects[factor] + noise * NOISE[(place + turn) % len(NOISE)]
        if len(changed) == len(effects):
            loss += together
        found.append(loss)
    return found


def apart_study(path, factors=tuple(EFFECTS), together=0.0, noise=1.0, lost=None, **changes):
    """A finished study that was not tuned; ``lost`` names a variant whose second seed diverged."""
    study = Study(path, apart_manifest(factors, **changes), context=128)  # which pages read
    effects = {factor: EFFECTS[factor] for factor in factors}
    for entry in study.manifest["variants"]:
        values = losses(tuple(entry["change"]), together, effects, noise)
        if entry["name"] == lost:
            values[1] = None
        study.confirm(entry["name"], values)
    return study
