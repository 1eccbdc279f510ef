"""Factorial effects against known ones, and when they cannot be had."""

from itertools import product

import numpy as np
import pytest

from tests.analysis.synthetic_studies import Study, manifest, shifted, variant
from workbench.analysis.effects import study_report
from workbench.analysis.factorial import estimate_effects
from workbench.analysis.report_tables import report_tables
from workbench.analysis.statistics import Verdict, holm, mean_interval

SEEDS = [201, 202, 203, 204, 205, 206]
CHANGES = {"positions": "learned", "norm": "layernorm"}


def factorial(path, effects, interaction=0.0, noise=0.002, drop=0, levels=CHANGES, lost=None, diverged=None):
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
        losses = {seed: float(loss) for seed, loss in zip(SEEDS, losses, strict=True)}
        for seed in SEEDS[: len(SEEDS) - drop]:
            study.run(entry["name"], seed, None if (entry["name"], seed) == diverged else losses[seed])
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
    assert [len(effect.factors) for effect in found.interactions] == [2, 2, 2, 3]
    assert found.interactions[3].label == (
        "positions: rope → learned × norm: rmsnorm → layernorm × feedforward: swiglu → relu"
    )
    # The interaction of three is none, though positions and norm interact with each other.
    assert found.interactions[3].estimate == pytest.approx(0, abs=0.012)


def test_holm_runs_over_main_effects_and_interactions_together(tmp_path):
    found = factorial(tmp_path, {"positions": 0.001, "norm": 0.001}, noise=0.01).factorial
    effects = [*found.main, *found.interactions]
    assert [effect.holm_p for effect in effects] == pytest.approx(holm([effect.p for effect in effects]))
    assert min(effect.holm_p for effect in effects) == pytest.approx(3 * min(effect.p for effect in effects))


def test_missing_runs_are_told(tmp_path):
    found = factorial(tmp_path, {"positions": 0.2, "norm": -0.05}, drop=2).factorial
    assert (found.runs, found.missing) == (16, 8)
    assert any("8 planned runs" in warning for warning in found.warnings)


def test_each_effect_has_a_verdict_against_the_margin(tmp_path):
    found = factorial(tmp_path, {"positions": 0.2, "norm": -0.05}, interaction=0.1).factorial
    # Better by 0.05 with one code of positions and worse by as much with the other, in the mean nothing.
    assert [effect.verdict for effect in found.main] == [Verdict.WORSE, Verdict.EQUIVALENT]
    assert [effect.word for effect in found.interactions] == ["worse together"]
    found = factorial(tmp_path / "none", {"positions": 0.001, "norm": -0.05}).factorial
    assert [effect.verdict for effect in found.main] == [Verdict.EQUIVALENT, Verdict.BETTER]
    assert [effect.word for effect in found.interactions] == ["additive"]


def test_the_contrast_of_a_seed_is_that_of_its_cells():
    """Two levels of norm beside the baseline's: an effect averages over all three of them."""
    levels = {"positions": ["rope", "learned"], "norm": ["rmsnorm", "layernorm", "none"]}
    seed = {"rope": [1.0, 1.1, 1.4], "learned": [2.0, 2.3, 2.9]}
    values = {
        (positions, norm): {1: value, 2: value + 5, 3: value - 1}
        for positions, row in seed.items()
        for norm, value in zip(levels["norm"], row, strict=True)
    }
    found = {effect.label: effect for effect in estimate_effects(levels, values, 0.1)}
    positions, norms = "positions: rope → learned", "norm: rmsnorm → none"
    assert found[positions].by_seed == pytest.approx({1: 3.7 / 3, 2: 3.7 / 3, 3: 3.7 / 3})
    assert found[norms].estimate == pytest.approx((0.4 + 0.9) / 2)
    assert found[f"{positions} × {norms}"].estimate == pytest.approx(0.9 - 0.4)
    assert len(found) == 3 + 2


def test_a_lost_cell_leaves_its_seed_out_of_the_contrasts_that_need_it():
    levels = {"positions": ["rope", "learned"], "norm": ["rmsnorm", "layernorm", "none"]}
    generator = np.random.default_rng(3)
    values = {
        cell: dict(enumerate(generator.normal(3, 0.1, 4).tolist(), 201)) for cell in product(*levels.values())
    }
    del values["learned", "none"][202]
    found = {effect.label: effect for effect in estimate_effects(levels, values, 0.1)}
    whole = found["norm: rmsnorm → layernorm"]
    assert (whole.left_out, sorted(whole.by_seed)) == ((), [201, 202, 203, 204])
    for label in ("positions: rope → learned", "norm: rmsnorm → none"):
        assert (found[label].left_out, sorted(found[label].by_seed)) == ((202,), [201, 203, 204])


def test_seeds_that_are_left_out_are_named(tmp_path):
    report = factorial(tmp_path, {"positions": 0.2, "norm": 0}, diverged=("norm", 203))
    assert [len(effect.by_seed) for effect in report.factorial.main] == [5, 5]
    assert "all effects: without seed 203, where a combination of levels has no result" in report.notes


def test_the_interval_covers_whatever_noise_the_factors_have():
    """Cells of a 2 × 2 with noise of their own and noise that seeds share with a factor.

    One residual for all would cover 71 to 77 % of the noisier factor's effects.
    """
    levels = {"positions": ["rope", "learned"], "norm": ["rmsnorm", "layernorm"]}
    truth = [0.2, -0.05, 0.03]
    generator = np.random.default_rng(11)
    studies = 250
    for seeds, of_positions, of_norm, residual in [
        (5, 0.0, 0.0, 0.01),
        (5, 0.03, 0.0, 0.005),
        (8, 0.03, 0.01, 0.005),
    ]:
        misses = np.zeros(3)
        for _ in range(studies):
            block, positions, norm = generator.normal(0, [[0.3], [of_positions], [of_norm]], (3, seeds))
            values = {}
            for cell in product(*levels.values()):
                learned, layernorm = cell[0] == "learned", cell[1] == "layernorm"
                mean = 0.2 * learned - 0.05 * layernorm + 0.03 * (learned and layernorm)
                shared = block + positions * learned + norm * layernorm
                runs = mean + shared + generator.normal(0, residual, seeds)
                values[cell] = dict(enumerate(runs.tolist()))
            effects = estimate_effects(levels, values, 0.02)
            wanted = [truth[0] + truth[2] / 2, truth[1] + truth[2] / 2, truth[2]]
            alone = [mean_interval(list(effect.by_seed.values())) for effect in effects]
            misses += [interval.excludes(true) for interval, true in zip(alone, wanted, strict=True)]
        # 5 % of 250 are 12.5; 3 to 25 is what chance gives in all but one of a thousand trials.
        assert misses.min() >= 3, (seeds, of_positions)
        assert misses.max() <= 25, (seeds, of_positions)


def test_a_quiet_interaction_is_seen_beside_a_noisy_factor():
    """Its interval is a quarter of the noisy factor's; one residual for all made it twice as wide."""
    levels = {"positions": ["rope", "learned"], "norm": ["rmsnorm", "layernorm"]}
    generator = np.random.default_rng(5)
    widths = []
    for _ in range(50):
        shared = generator.normal(0, 0.03, 8)
        values = {
            cell: dict(enumerate((shared * (cell[0] == "learned") + generator.normal(0, 0.005, 8)).tolist()))
            for cell in product(*levels.values())
        }
        effects = estimate_effects(levels, values, 0.02)
        widths.append([mean_interval(list(one.by_seed.values())).half_width for one in effects])
    assert np.mean(widths, axis=0) == pytest.approx([0.0246, 0.0041, 0.0080], rel=0.15)


def test_too_few_runs_give_none(tmp_path):
    assert factorial(tmp_path, {"positions": 0.2, "norm": 0}, drop=5).factorial is None
    assert factorial(tmp_path / "none", {"positions": 0.2, "norm": 0}, drop=6).factorial is None


def test_without_a_cell_there_is_no_effect_that_needs_it(tmp_path):
    report = factorial(tmp_path, {"positions": 0.2, "norm": 0}, lost="positions+norm")
    assert report.factorial is None
    assert "no main effects: they need a result of positions+norm, and there is none" in report.notes
    alone = factorial(tmp_path / "base", {"positions": 0.2, "norm": 0}, lost="baseline")
    assert (alone.factorial, alone.baseline.fate) == (None, Verdict.DID_NOT_TRAIN)


def test_a_level_of_three_without_a_result_leaves_the_effects_of_the_others(tmp_path):
    """Positions would have to be averaged over all three norms."""
    norms = ["rmsnorm", "layernorm", "none"]
    variants = [
        variant(f"{positions}+{norm}", positions=positions, norm=norm)
        for positions, norm in product(["rope", "learned"], norms)
    ]
    body = manifest(variants, design="full_factorial", baseline="rope+rmsnorm", phases=["confirm"])
    body["factors"] = {"positions": ["rope", "learned"], "norm": norms}
    study = Study(tmp_path, body)
    for place, entry in enumerate(variants):
        losses = [None] * 5 if entry["name"] == "learned+none" else shifted(0.01 * place, spread=1 + place)
        study.confirm(entry["name"], losses)
    report = study_report(study.load())
    assert [effect.label for effect in report.factorial.main] == ["norm: rmsnorm → layernorm"]
    assert len(report.factorial.interactions) == 1
    assert "norm: rmsnorm → none: no effect, as no run of learned+none has a result" in report.notes


def test_other_designs_have_none(tmp_path):
    assert study_report(Study(tmp_path, manifest()).load()).factorial is None


def design(factors):
    return {name: ["old", "new"] for name in "abc"[:factors]}


def studies_of_nothing(factors, seeds, shift, studies, seed):
    """Studies in which only the first main effect is other than zero; cells share half of their noise."""
    levels, generator = design(factors), np.random.default_rng(seed)
    for _ in range(studies):
        block = generator.normal(0, 0.01, seeds)
        values = {}
        for cell in product(*levels.values()):
            runs = 3 + shift * (cell[0] == "new") + block + generator.normal(0, 0.01, seeds)
            values[cell] = dict(enumerate(runs.tolist()))
        yield levels, values


def few(false, studies):
    """Whether so many are 5 % of ``studies``, but for three standard errors."""
    return false / studies <= 0.05 + 3 * (0.05 * 0.95 / studies) ** 0.5


@pytest.mark.parametrize(("factors", "looks"), [(2, ()), (3, ()), (2, (4, 8))])
def test_any_false_word_of_all_effects_is_rare(factors, looks):
    """Nothing has an effect and the margin is close to nothing: each effect alone is wrong in 5 %."""
    studies, false, alone = 200, 0, 0
    for levels, values in studies_of_nothing(factors, 8, 0.0, studies, seed=2):
        effects = estimate_effects(levels, values, 1e-6, looks=looks, planned=range(8))
        assert len(effects) == {2: 3, 3: 7}[factors]
        false += any(effect.word.startswith(("better", "worse")) for effect in effects)
        alone += any(effect.p < 0.05 for effect in effects)
    assert few(false, studies)
    assert not few(alone, studies)  # what Holm is for


def test_an_effect_on_the_border_is_rarely_called_anything():
    """The first main effect is the margin itself, so that worse, better and equivalent are all false."""
    studies, margin, false, equivalent = 200, 0.01, 0, 0
    for levels, values in studies_of_nothing(2, 8, margin, studies, seed=3):
        first, *others = estimate_effects(levels, values, margin)
        false += first.verdict in (Verdict.BETTER, Verdict.WORSE)
        false += any(one.verdict in (Verdict.BETTER, Verdict.WORSE) for one in others)
        equivalent += first.verdict is Verdict.EQUIVALENT
    assert few(false, studies)
    assert few(equivalent, studies)


def test_the_interval_is_the_one_that_the_word_follows_from(tmp_path):
    found = factorial(tmp_path, {"positions": 0.2, "norm": -0.05}, interaction=0.1)
    for effect in (*found.factorial.main, *found.factorial.interactions):
        if effect.verdict is Verdict.EQUIVALENT:
            ends = effect.equivalence_interval
            assert -0.02 < ends.low < ends.high < 0.02
        else:
            assert effect.interval.low > 0.02
    assert found.factorial.family == 3
    assert min(effect.interval.level for effect in found.factorial.main) > 0.95  # a share of the 5 %
    (table,) = [table for table in report_tables(found) if table.title.startswith("Factorial effects")]
    assert "the words of all 3 effects hold jointly at 5 % (Holm on the margin)" in table.title


def test_an_effect_that_cannot_be_had_holds_its_place():
    levels = {"positions": ["rope", "learned"], "norm": ["rmsnorm", "layernorm", "none"]}
    generator = np.random.default_rng(3)
    values = {
        cell: dict(enumerate(generator.normal(3, 0.1, 4).tolist())) for cell in product(*levels.values())
    }
    values["rope", "layernorm"] = {seed: 4 + loss for seed, loss in values["rope", "layernorm"].items()}
    del values["learned", "none"]
    found = estimate_effects(levels, values, 0.1)
    assert len(found) == 2  # of five
    assert min(effect.holm_p for effect in found) == pytest.approx(5 * min(effect.p for effect in found))


def test_a_study_until_all_is_decided_counts_whole_looks():
    levels = design(2)
    generator = np.random.default_rng(5)
    values = {
        cell: dict(enumerate(generator.normal(3, 0.001, 8).tolist())) for cell in product(*levels.values())
    }
    values["new", "old"] = {seed: values["new", "old"][seed] for seed in range(6)}  # stopped between looks
    found = estimate_effects(levels, values, 0.02, looks=[4, 8, 16], planned=range(16))
    assert {len(effect.by_seed) for effect in found} == {4}
    assert {effect.holm_p for effect in found} == {None}
    assert {effect.verdict for effect in found} == {Verdict.EQUIVALENT}
