"""What tuning tries, and by which candidates the grids grow."""

import pytest

from tests.texts import BYTES
from workbench.errors import UserError
from workbench.study.candidates import at_edge, candidates, grown, joined, own_grids
from workbench.study.design import build_variants
from workbench.study.schema import parse_study

STUDY = {
    "name": "tiny",
    "question": "does it?",
    "context": 32,
    "size": {"layers": 1, "width": 32, "heads": 2},
    "training": {"tokens": 2560, "batch_size": 4},
    "margin": 0.01,
    "seeds": {"tune": 1},
}


def shared(grid, chosen):
    """A grid that is each variant's, and what was chosen for each."""
    names = [f"v{number}" for number in range(len(chosen))]
    points = dict(zip(names, candidates(chosen), strict=True))
    return dict.fromkeys(names, candidates(grid)), points


def rates(grid):
    return [one["learning_rate"] for one in grid]


def added_to(grid, chosen):
    """What every variant's grid grows by."""
    found = [rates(added) for added in grown(*shared(grid, chosen)).values()]
    assert all(added == found[0] for added in found)
    assert len(found) in (0, len(chosen))
    return found[0] if found else []


@pytest.mark.parametrize(
    ("chosen", "added"),
    [
        ([0.002, 0.002], []),
        ([0.001, 0.002], [0.0005]),
        ([0.002, 0.004], [0.008]),
        ([0.001, 0.004], [0.0005, 0.008]),
    ],
)
def test_the_grid_grows_on_the_side_that_was_hit(chosen, added):
    assert added_to([0.001, 0.002, 0.004], chosen) == added


def test_the_grid_never_grows_out_of_the_bounds_of_a_studys_rates():
    assert added_to([4.0, 8.0], [8.0]) == []
    assert added_to([2e-9, 8e-9], [2e-9]) == []
    assert added_to([2e-9, 4e-9, 8.0], [2e-9, 8.0]) == [1e-9]
    assert at_edge(*shared([4.0, 8.0], [8.0]))
    assert not at_edge(*shared([2.0, 4.0, 8.0], [4.0]))


def test_the_grid_grows_by_its_own_ratio():
    assert added_to([0.01, 0.003, 0.001], [0.001, 0.01]) == [0.000333, 0.0333]


def test_what_is_added_takes_its_place_and_nothing_stands_twice():
    both = joined({"v": candidates([0.01, 0.02])}, {"v": candidates([0.005, 0.02])})
    assert both == {"v": candidates([0.005, 0.01, 0.02])}


def test_grids_of_their_own_grow_together_each_by_its_ratio():
    tried = {"one": candidates([0.001, 0.002, 0.004]), "other": candidates([0.1, 0.3, 0.9])}
    chosen = {"one": {"learning_rate": 0.001}, "other": {"learning_rate": 0.3}}
    assert {name: rates(grid) for name, grid in grown(tried, chosen).items()} == {
        "one": [0.0005],
        "other": [0.0333],
    }
    assert at_edge(tried, chosen)
    # Where one cannot grow, none does: all have as many candidates.
    tried["other"] = candidates([2e-9, 8e-9, 9e-9])
    chosen["other"] = {"learning_rate": 8e-9}
    assert grown(tried, chosen) == {}


def grids(learning_rates, **changes):
    study = parse_study(STUDY | {"learning_rates": learning_rates} | changes, "study.yaml")
    return {name: rates(grid) for name, grid in own_grids(study, build_variants(study, BYTES)).items()}


DROPOUT = {"factors": {"dropout": [0, 0.1], "norm": ["rmsnorm", "layernorm"]}}


def test_one_list_is_every_variants():
    found = grids([0.02, 0.01], **DROPOUT)
    assert list(found) == ["baseline", "dropout=0.1", "norm=layernorm"]
    assert all(grid == [0.01, 0.02] for grid in found.values())


def test_levels_of_a_factor_have_grids_of_their_own():
    found = grids({"rmsnorm": [0.01, "2e-2"], "layernorm": [0.2, 0.1]}, **DROPOUT)
    assert found == {"baseline": [0.01, 0.02], "dropout=0.1": [0.01, 0.02], "norm=layernorm": [0.1, 0.2]}
    own = {"norm": ["rmsnorm", {"name": "layernorm", "eps": 1e-6}]}
    assert grids({"rmsnorm": [1], "layernorm": [2]}, factors=own)["norm=layernorm(eps=1e-06)"] == [2]


def test_variants_have_grids_by_their_names():
    entries = [{"name": "deep", "size": {"layers": 2}}, {"name": "wide", "size": {"width": 64}}]
    own = {"baseline": [0.1], "deep": [0.2], "wide": [0.3]}
    assert grids(own, design="explicit", variants=entries) == own


@pytest.mark.parametrize(
    ("learning_rates", "message"),
    [
        ({"rmsnorm": [1, 2], "layernorm": [1]}, r"learning_rates: give as many .* rmsnorm 2, layernorm 1"),
        ({"rmsnorm": [1, 2], "layernorm": [1, 1]}, r"learning_rates: each learning rate once"),
        ({"rmsnorm": [1], "layernorm": []}, r"learning_rates\.layernorm: list should have at least 1"),
        ({"rmsnorm": [1], "layernorm": [20]}, r"learning_rates\.layernorm\.0: input should be less"),
        ({"rmsnorm": [1], "layernorm": 2}, r"learning_rates\.layernorm: input should be a valid list"),
        ({}, r"learning_rates: give as many"),
        ({"rmsnorm": [1]}, r"rmsnorm are not the levels .* for each of norm: rmsnorm, layernorm"),
        ({"rmsnorm": [1], "layrnorm": [1]}, r"for each of norm: rmsnorm, layernorm"),
        (0.1, r"learning_rates: input should be a valid list"),
    ],
)
def test_grids_that_leave_a_variant_without_are_refused(learning_rates, message):
    with pytest.raises(UserError, match=message):
        grids(learning_rates, **DROPOUT)


def test_levels_of_two_factors_are_told_apart_by_variants():
    factors = {"bias": [False, True], "tied_embeddings": [False, True]}
    with pytest.raises(UserError, match=r"levels of several factors; .* each of variants: baseline, bias"):
        grids({"false": [1], "true": [2]}, factors=factors)
