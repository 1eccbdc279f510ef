"""Factorial effects against known ones, and when they cannot be had."""

from itertools import product

import numpy as np
import pytest

from tests.analysis.synthetic_studies import Study, manifest, variant
from workbench.analysis.effects import study_report
from workbench.analysis.statistics import holm

SEEDS = [201, 202, 203, 204, 205, 206]
CHANGES = {"positions": "learned", "norm": "layernorm"}


def factorial(path, effects, interaction=0.0, noise=0.002, drop=0, levels=CHANGES, lost=None):
    """A full factorial study whose true effects are given; seeds differ by far more than the noise."""
    factors = list(levels)
    combinations = list(product([False, True], repeat=len(factors)))
    variants = [
        variant("+".join(chosen) or "baseline", **{f: levels[f] for f in chosen})
        for chosen in ([f for f, on in zip(factors, flags, strict=True) if on] for flags in combinations)
    ]
    seeds = {"pilot": [], "tune": [], "confirm": SEEDS}
    body = manifest(variants, design="full_factorial", seeds=seeds, phases=["confirm"])
    study, generator = Study(path, body), np.random.default_rng(7)
    blocks = generator.normal(0, 0.3, len(SEEDS))
    for entry in variants:
        shift = sum(effects[f] for f in entry["change"])
        shift += interaction if {"positions", "norm"} <= entry["change"].keys() else 0
        losses = 3 + shift + blocks + generator.normal(0, noise, len(SEEDS))
        losses = np.full(len(SEEDS), 28.98) if entry["name"] == lost else losses
        study.confirm(entry["name"], [float(loss) for loss in losses[: len(SEEDS) - drop]])
    return study_report(study.load())


def test_main_effects_are_recovered(tmp_path):
    report = factorial(tmp_path, {"positions": 0.2, "norm": -0.05})
    positions, norm = report.factorial.main
    assert positions.label == "positions: rope → learned"
    assert positions.estimate == pytest.approx(0.2, abs=0.004)
    assert norm.estimate == pytest.approx(-0.05, abs=0.004)
    assert not positions.interval.excludes(0.2)
    assert positions.interval.half_width < 0.004  # the blocks' spread of 0.3 is taken out
    assert report.factorial.interactions[0].estimate == pytest.approx(0, abs=0.006)
    assert report.factorial.warnings == ()
    assert positions.holm_p == pytest.approx(max(3 * positions.p, 2 * norm.p, positions.p), abs=1e-6)


def test_an_interaction_is_found_and_warned_of(tmp_path):
    report = factorial(tmp_path, {"positions": 0.2, "norm": -0.05}, interaction=0.1)
    (both,) = report.factorial.interactions
    assert both.estimate == pytest.approx(0.1, abs=0.006)
    # Averaged over the norm, the effect of positions is 0.2 in one half and 0.3 in the other.
    assert report.factorial.main[0].estimate == pytest.approx(0.25, abs=0.004)
    assert any("do not read the main effect" in note for note in report.notes)


def test_three_factors_average_over_the_others(tmp_path):
    levels = CHANGES | {"feedforward": "relu"}
    effects = {"positions": 0.2, "norm": -0.05, "feedforward": 0.03}
    found = factorial(tmp_path, effects, levels=levels).factorial
    assert [effect.estimate for effect in found.main] == pytest.approx([0.2, -0.05, 0.03], abs=0.004)
    assert len(found.interactions) == 3


def test_holm_runs_over_main_effects_and_interactions_together(tmp_path):
    found = factorial(tmp_path, {"positions": 0.001, "norm": 0.001}, noise=0.01).factorial
    effects = [*found.main, *found.interactions]
    assert [effect.holm_p for effect in effects] == pytest.approx(holm([effect.p for effect in effects]))
    assert min(effect.holm_p for effect in effects) == pytest.approx(3 * min(effect.p for effect in effects))


def test_missing_runs_are_told(tmp_path):
    found = factorial(tmp_path, {"positions": 0.2, "norm": -0.05}, drop=2).factorial
    assert (found.runs, found.missing) == (16, 8)
    assert any("8 planned runs" in warning for warning in found.warnings)


def test_too_few_runs_give_none(tmp_path):
    assert factorial(tmp_path, {"positions": 0.2, "norm": 0}, drop=5).factorial is None
    assert factorial(tmp_path / "none", {"positions": 0.2, "norm": 0}, drop=6).factorial is None


def test_a_cell_that_did_not_train_is_no_number_of_the_model(tmp_path):
    """Of two factors nothing can be said without it; of three its place is taken from the others."""
    report = factorial(tmp_path, {"positions": 0.2, "norm": 0}, lost="positions+norm")
    assert report.factorial is None
    assert "no main effects: they need a result of positions+norm, and there is none" in report.notes
    levels = CHANGES | {"feedforward": "relu"}
    effects = {"positions": 0.2, "norm": -0.05, "feedforward": 0.03}
    report = factorial(tmp_path / "three", effects, levels=levels, lost="positions+norm")
    assert [effect.estimate for effect in report.factorial.main] == pytest.approx(
        [0.2, -0.05, 0.03], abs=0.006
    )
    assert any("know positions+norm from the others alone" in note for note in report.notes)
    alone = factorial(tmp_path / "base", effects, levels=levels, lost="baseline")
    assert (alone.factorial, alone.rows[1].no_verdict) == (None, "the baseline did not train")


def test_other_designs_have_none(tmp_path):
    assert study_report(Study(tmp_path, manifest()).load()).factorial is None
