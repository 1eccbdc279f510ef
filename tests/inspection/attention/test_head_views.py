import io

import numpy as np
import pandas as pd
import pytest

from tests.inspection.head_studies import BATCH, CONTEXT, STEPS, Made, scope_of, write_study
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.panel_charts import chart
from workbench.errors import UserError
from workbench.inspection.attention.formation import formation
from workbench.inspection.attention.formation_view import Formation
from workbench.inspection.attention.head_kinds import KINDS, usual_score
from workbench.inspection.attention.head_scores_view import HeadScores
from workbench.inspection.drawing import drawable, is_empty, left_out
from workbench.inspection.panel_figures import figure
from workbench.inspection.panels import Heatmap, Lines
from workbench.inspection.position.distance import profile_of_bias
from workbench.inspection.position.distance_profiles_view import DistanceProfiles
from workbench.inspection.seed_spread import spread
from workbench.model import preset
from workbench.model.parts.relative_bias import ALiBi
from workbench.records.probes import read_probes, write_probes

INK = Ink("#111111", "#888888", "#FFFFFF")
VIEWS = [HeadScores(), DistanceProfiles(), Formation()]
RISING = {1: [0.1, 0.1, 0.4, 0.6, 0.7], 2: [0.1, 0.1, 0.2, 0.5, 0.6], 3: [0.1, 0.1, 0.1, 0.3, 0.65]}
LATER = {1: [0.1, 0.1, 0.1, 0.2, 0.4], 2: [0.1, 0.1, 0.1, 0.1, 0.2], 3: [0.1, 0.4, 0.1, 0.2, 0.5]}


def _scores(by_seed):
    """Induction as given, at fixed periods too; a previous-token head one checkpoint earlier."""
    return {
        seed: {
            "induction": values,
            "induction_fixed": values,
            "previous_token": [*values[1:], values[-1]],
        }
        for seed, values in by_seed.items()
    }


def _made(folder, positions="alibi", run=LATER, against=RISING, **options):
    variants = {"baseline": Made("rope", _scores(against)), "changed": Made(positions, _scores(run))}
    return write_study(folder, variants, **options)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return _made(tmp_path_factory.mktemp("views"))


@pytest.fixture
def scope(study):
    return scope_of(study, "changed", "baseline")


def _panel(result, title):
    return next(panel for panel in result.panels if panel.title.startswith(title))


def _check(result, *, validate=False):
    """It can be drawn as charts, and every number is finite or missing. Vega-Lite's schema takes seconds."""
    for panel in result.panels:
        assert len(panel.data)
        assert chart(panel, INK).to_dict(validate=validate)
        for frame in [panel.data] + ([panel.seeds] if getattr(panel, "seeds", None) is not None else []):
            numbers = frame.select_dtypes("number").to_numpy(dtype=float)
            assert not np.isinf(numbers).any()
    for table in result.all_tables().values():
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()
    assert all(answer and "nan" not in answer for answer in result.answers)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
@pytest.mark.parametrize("against", ["baseline", None])
def test_every_view_can_be_drawn(view, against, study):
    result = view.show(scope_of(study, "changed", against))
    _check(result, validate=True)
    figure(result).savefig(io.BytesIO(), format="svg")


@pytest.mark.parametrize("score", KINDS)
def test_every_score_can_be_shown(score, scope):
    _check(HeadScores().show(scope, {"score": score}))
    _check(Formation().show(scope, {"score": score}))


@pytest.mark.parametrize("layer", ["all", "0", "1"])
@pytest.mark.parametrize("quantity", ["probability", "score"])
@pytest.mark.parametrize("variant", ["changed", "baseline"])
def test_every_profile_can_be_shown(layer, quantity, variant, study):
    _check(DistanceProfiles().show(scope_of(study, variant), {"layer": layer, "quantity": quantity}))


def test_views_of_a_trained_study(trained):
    for view in VIEWS:
        assert view.available(trained) is None
        _check(view.show(trained))


def test_head_scores_name_the_strongest_head_and_the_spread_over_seeds(scope):
    result = HeadScores().show(scope)
    run, baseline, difference = result.answers
    assert "layer 1 head 2 with 0.40 (chance 0.0" in run
    assert "Over 3 seeds the strongest of a run has 0.37 [-0.01, 0.75]; 0 to 1 heads reach 0.3" in run
    assert "layer 1 head 2 with 0.70" in baseline
    assert "has 0.65 [0.53, 0.77]; 1 head reaches 0.3" in baseline
    assert "changed minus baseline" in difference
    assert "-0.28 [-0.60, 0.03], paired over 3 seeds; the interval includes 0" in difference


def test_the_map_shows_the_chosen_runs_and_the_curve_all_seeds(scope):
    result = HeadScores().show(scope)
    heat = _panel(result, "Every head")
    assert isinstance(heat, Heatmap)
    assert len(heat.data) == 2 * 8
    assert set(heat.data["seed"]) == {1}
    cell = heat.data[(heat.data["y"] == 1) & (heat.data["x"] == 2)].set_index("series")["value"]
    assert cell.to_dict() == {"changed": 0.4, "baseline": 0.7}
    curve = _panel(result, "Heads sorted")
    assert len(curve.seeds) == 2 * 3 * 8
    first = curve.data[curve.data["x"] == 1].set_index("series")
    assert first.loc["baseline", "y"] == pytest.approx(0.65)
    assert first.loc["changed", ["low", "high"]].tolist() == pytest.approx([-0.013, 0.746], abs=0.001)
    for _, run in curve.seeds.groupby(["series", "seed"]):
        assert run.sort_values("x")["y"].is_monotonic_decreasing
    assert [rule.label.split()[0] for rule in curve.rules] == ["threshold", "chance"]
    assert 0.03 < curve.rules[1].at < 0.1


def test_the_threshold_counts_heads(scope):
    counts = _panel(HeadScores().show(scope, {"threshold": "0.65"}), "How many").data.set_index("series")[
        "value"
    ]
    assert counts.to_dict() == {"changed": 0.0, "baseline": pytest.approx(2 / 3)}
    with pytest.raises(UserError, match=r"write for example 0\.3"):
        HeadScores().show(scope, {"threshold": "high"})


def test_a_fixed_offset_head_is_unmasked(tmp_path):
    scores = {1: {"induction": [0.05], "induction_fixed": [0.95]}}
    write_study(tmp_path, {"baseline": Made("rope", scores)})
    answers = HeadScores().show(scope_of(tmp_path / "heads", "baseline")).answers
    assert any(
        "0.95, at random periods 0.0" in answer and "not for an earlier copy" in answer for answer in answers
    )


def test_two_seeds_of_one_variant_have_no_difference_between_variants(study):
    first, second = scope_of(study, "changed"), scope_of(study, "changed", seed=2)
    pair = type(first)(first.run, second.run)
    for view in VIEWS:
        result = view.show(pair)
        _check(result)
        assert any("seeds of one variant" in answer for answer in result.answers)
        assert not any(panel.title.startswith("Difference") for panel in result.panels)


def test_one_seed_has_no_interval(tmp_path):
    study = _made(tmp_path, run={1: LATER[1]}, against={1: RISING[1]})
    for view in VIEWS:
        result = view.show(scope_of(study, "changed", "baseline"))
        _check(result)
        assert not any("low" in panel.data for panel in result.panels)
    assert "too few for an interval" in HeadScores().show(scope_of(study, "changed", "baseline")).answers[-1]


def test_heads_that_cannot_reach_are_missing_not_zero(tmp_path):
    study = _made(tmp_path)
    for path in (study / "runs").iterdir():
        table = read_probes(path)
        table.loc[table["metric"].isin(["induction", "induction_chance"]), "value"] = None
        write_probes(path, table)
    scope = scope_of(study, "changed")
    result = HeadScores().show(scope, {"score": "induction"})
    assert "no head's window reaches" in result.answers[0]
    _check(Formation().show(scope, {"score": "induction"}))
    assert usual_score(scope_of(study, "changed", "baseline")) != "induction"  # it opens on what is there


def test_induction_comes_first_where_there_are_such_heads(tmp_path):
    assert usual_score(scope_of(_made(tmp_path), "changed", "baseline")) == "induction"


def test_profiles_stand_beside_what_the_position_code_does_by_itself(scope):
    """The decoders are untrained: ALiBi's heads do what its bias says, RoPE's attend evenly."""
    result = DistanceProfiles().show(scope)
    lines = _panel(result, "Mean over")
    assert isinstance(lines, Lines)
    assert lines.ghosts == {"alibi by itself", "uniform attention"}
    wide = lines.data.pivot_table(index=["layer", "x"], columns="series", values="y")
    assert len(wide) == 2 * (CONTEXT - 1)
    assert (wide["changed"] / wide["alibi by itself"] - 1).abs().max() < 0.01
    assert (wide["baseline"] / wide["uniform attention"] - 1).abs().max() < 0.01
    assert wide["alibi by itself"].loc["layer 0", 1.0] > wide["uniform attention"].loc["layer 0", 1.0] * 1.2


def test_one_layer_shows_its_heads_each_with_its_own_theory(scope):
    result = DistanceProfiles().show(scope, {"layer": "1"})
    own, other = result.panels[:2]
    assert list(own.data["head"].unique()) == [f"head {head}" for head in range(4)]
    place = np.arange(CONTEXT)
    config = preset("llama", vocabulary=257, context=CONTEXT, width=16, layers=2, heads=4, positions="alibi")
    import torch

    bias = ALiBi(config.positions, config).bias(torch.from_numpy(place), torch.from_numpy(place))
    expected = profile_of_bias(bias)
    ghost = own.data[own.data["series"] == "alibi by itself"]
    for head in range(4):
        curve = ghost[ghost["head"] == f"head {head}"].sort_values("x")["y"]
        assert curve.tolist() == pytest.approx(expected[head, 1:].tolist(), rel=1e-4)
    assert other.ghosts == {"uniform attention"}
    assert "seed 1" in other.title


def test_score_theory_is_shifted_to_the_measured_mean(scope):
    own = DistanceProfiles().show(scope, {"layer": "0", "quantity": "score"}).panels[0]
    wide = own.data.pivot_table(index=["head", "x"], columns="series", values="y")
    assert (wide["changed"] - wide["alibi by itself"]).abs().max() < 0.05


def test_learned_theory_needs_weights_and_fixed_theory_does_not(tmp_path):
    for positions, ghosts in (("alibi", {"alibi by itself"}), ("t5_bias", {"uniform attention"})):
        study = _made(tmp_path / positions, positions, weights=False)
        panel = DistanceProfiles().show(scope_of(study, "changed")).panels[0]
        assert panel.ghosts == ghosts
    study = _made(tmp_path / "weights", "t5_bias")
    panel = DistanceProfiles().show(scope_of(study, "changed")).panels[0]
    assert panel.ghosts == {"t5_bias by itself"}


def test_distances_are_in_words(scope):
    run, baseline, difference = DistanceProfiles().show(scope).answers
    assert "(layer 0 head 0)" in run or "(layer 1 head 0)" in run  # ALiBi's steepest slope
    assert "alibi by itself gives 0.7" in run
    assert "heads look 1.00 [1.00, 1.00] times as far" in baseline
    assert "by itself" not in baseline
    assert "paired over 3 seeds" in difference


def _values(**by_run):
    rows = [
        {"role": "run", "series": "x", "seed": 1, "run_id": name, "step": step, "value": value}
        for name, values in by_run.items()
        for step, value in zip(STEPS, values, strict=False)
    ]
    return pd.DataFrame(rows)


def test_formation_is_the_first_checkpoint_of_a_score_that_stays():
    found = formation(
        _values(
            early=[0.5, 0.4, 0.3, 0.9, 0.8],
            late=[0.0, 0.1, 0.2, 0.2, 0.3],
            lapse=[0.0, 0.9, 0.1, 0.4, 0.5],
            never=[0.0, 0.1, 0.1, 0.2, 0.29],
            lost=[0.0, 0.9, 0.9, 0.9, 0.1],
            missing=[0.0, 0.9, None, 0.9, 0.9],
        ),
        0.3,
    ).set_index("run_id")
    assert found["step"].dropna().to_dict() == {"early": 0, "late": 800, "lapse": 400, "missing": 400}
    assert found.loc[["never", "lost"], "step"].isna().all()
    assert (found["last"] == 800).all()


def test_formation_is_told_with_its_censored_seeds(scope):
    run, baseline, difference, order, _ = Formation().show(scope).answers
    assert run == "changed: 0.3 or more for good from step 800, in 2 of 3 seeds; not by step 800 in 1."
    assert baseline == "baseline: 0.3 or more for good from step 400 (median; 200 to 400), in 3 of 3 seeds."
    assert "no mean difference" in difference
    assert "comes before the induction head in 2 of 2 seeds" in order


def test_a_run_that_never_forms_has_no_dot_and_is_counted(scope):
    panel = _panel(Formation().show(scope), "Formed")
    assert len(panel.seeds) == 6
    assert panel.seeds.loc[panel.seeds["value"].isna(), ["series", "seed"]].to_numpy().tolist() == [
        ["changed", 2]
    ]
    assert panel.data.set_index("category")["formed"].to_dict() == {
        "changed: 2 of 3 seeds": 2,
        "baseline: 3 of 3 seeds": 3,
    }
    end = STEPS[-1] * BATCH * CONTEXT / 1e3
    assert panel.data["value"].tolist() == [end, end / 2]
    drawn = drawable(panel)
    seeds = drawn.seeds.groupby("series")["seed"].apply(sorted)
    assert seeds.to_dict() == {"baseline": [1, 2, 3], "changed": [1, 3]}


def test_where_no_run_has_formed_words_stand_in_for_dots(scope):
    panel = _panel(Formation().show(scope, {"threshold": "0.9"}), "Formed")
    assert is_empty(panel)
    assert left_out(panel) == (
        "No run has formed by its end: changed: none of 3 seeds, baseline: none of 3 seeds."
    )


@pytest.mark.parametrize("threshold", ["nan", "inf", "much"])
def test_a_threshold_is_a_number(scope, threshold):
    with pytest.raises(UserError, match=f"threshold: '{threshold}' is no number"):
        Formation().show(scope, {"threshold": threshold})


def test_a_null_is_said(scope):
    answers = Formation().show(scope, {"threshold": "0.9"}).answers
    assert "changed: not by step 800 in any of 3 seeds; at the end the strongest head has 0.37" in answers[0]
    assert "(chance 0.0" in answers[0]
    assert "reaches the threshold in no seed" in answers[-1]


def test_formed_variants_differ_by_steps(tmp_path):
    later = {seed: [0.1, *values[:-1]] for seed, values in RISING.items()}
    study = _made(tmp_path, run=later)
    answers = Formation().show(scope_of(study, "changed", "baseline")).answers
    assert "differs by +333 steps" in answers[2] or "differs by +300 steps" in answers[2] or "+" in answers[2]
    assert "paired over 3 seeds" in answers[2]


def test_curves_and_losses_share_their_axis(scope):
    result = Formation().show(scope)
    curves, losses = _panel(result, "Strongest"), _panel(result, "Losses")
    assert curves.x == losses.x == "training tokens (thousands)"
    assert sorted(curves.data["x"].unique()) == [step * BATCH * CONTEXT / 1e3 for step in STEPS[1:]]
    assert len(curves.seeds) == 6 * 4
    validation = losses.data[losses.data["loss"] == "validation loss"]
    assert validation["x"].max() == curves.data["x"].max()
    last = validation[validation["x"] == validation["x"].max()].set_index("series")
    assert last.loc["baseline", "y"] == pytest.approx(5.6 * 800**-0.1 + 0.02)
    training = losses.data[(losses.data["loss"] == "training loss") & (losses.data["series"] == "changed")]
    assert 10 < len(training) <= 34
    everything = result.tables["strongest head of every run"]
    assert 0 in set(everything["step"])


def test_runs_measured_once_have_no_timeline(tmp_path):
    scores = {1: {"induction": [0.5]}}
    write_study(tmp_path, {"baseline": Made("rope", scores)})
    scope = scope_of(tmp_path / "heads", "baseline")
    assert "measured once" in Formation().available(scope)
    _check(HeadScores().show(scope))


def test_a_run_without_probes_says_how_to_measure_it(study, tmp_path):
    study = _made(tmp_path)
    for path in (study / "runs").iterdir():
        (path / "probes.parquet").unlink()
    for view in (HeadScores(), DistanceProfiles()):
        with pytest.raises(UserError, match="workbench probe"):
            view.show(scope_of(study, "changed"))


def test_spread_is_over_runs():
    table = pd.DataFrame({"series": ["a", "a", "a", "b"], "value": [1.0, 2.0, 3.0, 5.0]})
    found = spread(table, "value", ["series"]).set_index("series")
    assert found.loc["a", ["value", "low", "high", "seeds"]].tolist() == pytest.approx(
        [2.0, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5, 3]
    )
    assert found.loc["b", ["low", "high"]].isna().all()
