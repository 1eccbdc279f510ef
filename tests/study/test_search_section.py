import copy

import pytest

from tests.study import studies
from workbench.errors import UserError
from workbench.model.config import ModelConfig
from workbench.model.cost import parameters_by_group
from workbench.records.run import Phase
from workbench.study.recipe import Recipe
from workbench.study.schema import Data, parse_study
from workbench.study.search_section import read_constraint
from workbench.training.config import TrainingConfig

SPACE = {
    "norm": ["rmsnorm", "layernorm"],
    "heads": [2, 4],
    "learning_rate": {"low": "1e-3", "high": 0.01, "log": True},
}
FILE = {
    "name": "tiny",
    "question": "what looks best?",
    "design": "search",
    "context": 16,
    "training": studies.TINY["training"],
    "seeds": {"tune": 2},
    "search": {"space": SPACE, "trials": 8},
}


def parsed(**changes):
    values = copy.deepcopy(FILE)
    for key, value in changes.items():
        *path, last = key.split("__")
        target = values
        for part in path:
            target = target[part]
        target[last] = value
    return parse_study(values, "tiny.yaml", complete=False)


def test_a_search_needs_no_margin_and_no_factors_and_has_one_phase():
    study = parsed()
    assert study.phases == [Phase.SEARCH]
    assert study.match == "none"  # its space has sizes
    assert study.search.objectives == ["validation/loss"]
    assert study.search.sampler == "tpe"


def test_without_sizes_points_are_matched_as_usual():
    space = {key: value for key, value in SPACE.items() if key != "heads"}
    assert parsed(search__space=space).match == "parameters"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": 0.1}, "margin: a search gives no verdict"),
        ({"tuning": {"space": {"learning_rate": [0.1, 0.2]}}}, "tuning: a search gives no verdict"),
        ({"factors": {"norm": ["rmsnorm", "layernorm"]}}, "no use for the key 'factors'"),
        ({"seeds": {"tune": 1, "confirm": 3}}, "seeds.confirm: a search has seeds.tune"),
        ({"seeds": {"tune": 0}}, "seeds.tune: a search trains each point at least once"),
        ({"match": "parameters"}, "match: heads would be undone"),
        ({"budget": "flops"}, "budget: every point of a search has as many tokens"),
        ({"learning_rates": [0.01]}, "learning_rates: search.space has a learning_rate"),
        ({"search__space": {"heads": [2, 4]}}, "search.space.learning_rate: is missing"),
        ({"search__sampler": "cmaes"}, "cmaes goes by distances, and levels have none"),
        ({"search__sampler": "grid"}, "a grid is the design full_factorial"),
        ({"search__objectives": ["loss"]}, "search.objectives: unknown objective 'loss'"),
        ({"search__objectives": ["parameters"]}, "known without any training"),
        ({"search__constraints": ["seconds <= 3"]}, "seconds are known only after training"),
        ({"search__constraints": ["parameters < 3"]}, "is no constraint"),
        ({"search__space__heads": [2.5]}, "heads: is a whole number from 1 on"),
        ({"search__space__heads": {"low": 1, "high": 4, "log": True}}, "without log"),
        ({"search__least_tokens": 100}, "least_tokens: is for hyperband"),
        ({"search__pruner": "halving"}, "search.pruner"),
        ({"search__pruner": "hyperband", "search__sampler": "gp"}, "gp learns from points with all tokens"),
        (
            {"search__pruner": "hyperband", "search__least_tokens": 2000},
            r"least_tokens: 2,000 are more than a third of training.tokens \(2,560\)",
        ),
        (
            {"search__pruner": "hyperband", "search__least_tokens": 64},
            "evaluations: 4 would multiply the budget",
        ),
        ({"search__pruner": "hyperband", "training__warmup": 0.05}, "8 steps, of which training.warmup"),
        ({"design": "one_at_a_time"}, "needs the key 'factors'"),
        ({"search": None}, "design search needs the key 'search'"),
    ],
)
def test_what_a_search_has_no_use_for_is_refused_with_the_remedy(change, message):
    with pytest.raises(UserError, match=message):
        parsed(**change)


@pytest.mark.parametrize(
    ("text", "figure", "bound"),
    [
        ("parameters <= 1M", "parameters", 1e6),
        ("flops_per_token<=2e6", "flops_per_token", 2e6),
        ("decode_bytes >= 1.5 k", "decode_bytes", 1500.0),
    ],
)
def test_constraints_are_read(text, figure, bound):
    found = read_constraint(text)
    assert (found.figure, found.bound) == (figure, bound)
    assert found.excess(bound) == 0
    assert (found.excess(2 * bound) > 0) == found.at_most


def test_decode_bytes_are_weights_a_row_of_the_table_and_the_cache():
    sizes = {"vocabulary": 100, "context": 32, "width": 16, "layers": 2, "heads": 4, "key_value_heads": 2}
    rope = ModelConfig(**sizes)
    groups = parameters_by_group(rope)
    read = groups["attention"] + groups["feedforward"] + groups["norm"] + groups["head"] + 16
    cache = 2 * 2 * 32 * 8  # keys and values, layers, tokens, two key heads of four
    assert rope.decode_bytes() == 2 * (read + cache)
    # Of a table of positions one row is read; a tied head is read as a whole, once.
    assert rope.with_levels(positions="learned").decode_bytes() - rope.decode_bytes() == 2 * 16
    assert rope.with_levels(tied_embeddings=True).decode_bytes() == rope.decode_bytes()
    windowed = rope.with_levels(window=8)
    assert rope.decode_bytes() - windowed.decode_bytes() == 2 * (2 * 2 * 24 * 8)


def test_levels_and_sizes_of_a_point_are_set_at_once():
    model = ModelConfig(vocabulary=100, context=16, width=16, layers=1, heads=2)
    recipe = Recipe(model=model, training=TrainingConfig(tokens=640, batch_size=4), data=Data())
    # RoPE alone refuses heads of width 1; a point that has another position code may have them.
    with pytest.raises(UserError, match="rope"):
        recipe.at_point({}, {"heads": 16})
    changed = recipe.at_point({"positions": "alibi", "feedforward": "gelu"}, {"heads": 16, "width": 32})
    assert (changed.model.heads, changed.model.head_width, changed.model.key_value_heads) == (16, 2, 16)
    assert changed.model.feedforward_width == 128  # the kind's own rule at the new width
    fixed = recipe.at_point({"feedforward": "gelu"}, {"feedforward_width": 24})
    assert fixed.model.feedforward_width == 24
