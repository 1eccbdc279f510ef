from dataclasses import replace

import numpy as np
import pytest

from workbench.inspection.behaviour_columns import Behaviour
from workbench.inspection.behaviour_words import told
from workbench.inspection.explanation import NOTHING, explain, views_of
from workbench.inspection.listed_views import EXTRAPOLATION, HEAD_SCORES
from workbench.inspection.views import find_view


def _centred(sample):
    return sample - sample.mean()


DRAW = np.random.default_rng(7)
SEEDS = range(201, 209)
NAMES = ("mean distance", "mean induction", "ΔCE at 2×")
# Of seeds alone: its mean is no more than a third of its standard error.
NOISE = {name: 0.001 + _centred(DRAW.normal(0.0, 0.01, 8)) for name in NAMES}
UNITS = "feedforward: units, mean"


def _values(shift=None, **only):
    """Eight seeds of two variants that share a spread over seeds, and then differ by ``shift``."""
    found = {}
    for place, seed in enumerate(SEEDS):
        base = dict.fromkeys(NOISE, 1.0 + 0.3 * place) | {UNITS: 24.0}
        own = {name: base[name] + NOISE[name][place] + (shift or {}).get(name, 0.0) for name in NOISE}
        found["baseline", seed] = Behaviour(base, {"probe"})
        found["changed", seed] = Behaviour(own | {UNITS: 48.0} | only, {"probe"})
    return found


def test_what_moved_is_said_with_its_interval_the_surest_first():
    found = explain(_values({"mean distance": 0.5, "ΔCE at 2×": -0.05}), "changed", "baseline")
    assert [one.name for one in found.moved] == ["mean distance", "ΔCE at 2×"]
    assert found.headline() == (
        "2 of 3 numbers moved beyond Holm's correction over all of them (5 %), over 8 paired seeds."
    )
    grew, fell = found.sentences()
    assert grew.startswith("attention distance (uniform attention: 1), mean over heads, grew by 0.5")
    assert fell.startswith("the loss at 2× the trained context over that at 1×, fell by 0.0")
    assert fell.endswith(" nats")
    low, high = (float(end) for end in fell.partition("[")[2].partition("]")[0].split(","))
    assert 0 < low < -found.moved[1].mean < high
    assert found.sentences(1) == [grew]


def test_nothing_that_moved_is_said_as_that_and_not_as_a_proof():
    found = explain(_values(), "changed", "baseline")
    assert not found.moved
    assert found.headline().lower().startswith(NOTHING)
    assert "of 3 numbers none moved beyond Holm's correction" in found.headline()
    assert "Smaller shifts than these seeds can show are not ruled out." in found.headline()


def test_a_spread_over_seeds_that_both_share_is_paired_away():
    unpaired = _values({"mean distance": 0.05})
    spread = np.std([unpaired["baseline", seed]["mean distance"] for seed in SEEDS])
    assert spread > 0.5
    assert [one.name for one in explain(unpaired, "changed", "baseline").moved] == ["mean distance"]


def test_what_one_side_lacks_is_counted_and_the_configuration_is_no_finding():
    found = explain(_values(**{"mean sink": 0.3}), "changed", "baseline")
    assert found.alone == ("mean sink",)
    assert UNITS not in found.table()["name"].tolist()
    assert len(found.table()) == 3


def test_other_probes_and_single_seeds_give_no_difference():
    values = _values()
    for seed in SEEDS[1:]:
        values["changed", seed].probes = frozenset({"another"})
    found = explain(values, "changed", "baseline")
    assert not found.shifts
    assert found.headline().startswith("No number was measured of two paired seeds")
    assert found.table().empty


@pytest.mark.parametrize(
    ("name", "words", "view", "options"),
    [
        ("largest induction", "induction score (random periods), largest head", "head_scores", "induction"),
        ("mean previous token", "previous-token score, mean over heads", "head_scores", "previous_token"),
        (
            "residual: attention norm output rms first, last layer",
            "size: output of the attention norm, last layer, first token",
            "residual",
            "size at the norms",
        ),
        ("residual: mean first, mean", "residual mean first, mean over layers", "residual", None),
        ("feedforward: dead, mean", "dead units: never above 0, mean over layers", "feedforward", None),
        ("copy loss gap", "what the second copy of random tokens saves", "head_scores", None),
        ("largest unheard of", "largest unheard of", "head_scores", None),
    ],
)
def test_each_number_has_words_and_a_view_that_knows_its_option(name, words, view, options):
    found = told(name)
    assert (found.words, found.view.name) == (words, view)
    assert list(found.options.values()) == ([options] if options else [])
    for key, value in found.options.items():
        (option,) = (one for one in find_view(found.view.name).options if one.name == key)
        assert option.value(None, value) == value


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("feedforward: dead, mean", "Silent units"),
        ("feedforward: effective rank share, mean", "Effective rank"),
        ("residual: feedforward norm output mean share, mean", "Output of the feed-forward norm"),
        ("residual: rms, mean", ""),  # all of that quantity stands together
        ("largest induction", ""),
    ],
)
def test_the_part_of_a_view_that_shows_a_number_is_known(name, part):
    shift = explain(_values(), "changed", "baseline").shifts[0]
    ((_, options),) = views_of([replace(shift, name=name)])
    assert options.get("part", "") == part


def test_views_come_once_in_the_order_of_what_moved():
    found = explain(_values({"mean induction": 0.9, "ΔCE at 2×": 0.5}), "changed", "baseline")
    assert views_of(found.moved) == [(HEAD_SCORES, {"score": "induction"}), (EXTRAPOLATION, {})]
