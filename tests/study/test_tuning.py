"""``tuning`` of a study file: what it may say, and what is refused with what to write instead."""

import pytest

from tests.study.studies import TINY
from workbench.errors import UserError
from workbench.records.run import Phase
from workbench.study.schema import parse_study

RATE = {"low": 1e-3, "high": "1e-2", "log": True}
SPACE = {"learning_rate": RATE, "weight_decay": [0, 0.1, 0.3]}
SHORT = ("learning_rates", "grid_growth")
PLAIN = {"name": "tiny"} | {key: value for key, value in TINY.items() if key not in SHORT}


def study(tuning, **changes):
    return parse_study(PLAIN | {"tuning": tuning} | changes, "tiny.yaml")


def test_a_space_a_sampler_and_trials():
    read = study({"space": SPACE, "sampler": "tpe", "trials": 12})
    assert read.tuning.space["weight_decay"] == [0.0, 0.1, 0.3]
    assert all(isinstance(value, float) for value in read.tuning.space["weight_decay"])
    assert (read.tuning.points, read.tuning.again, read.tuning.round_size) == (12, 3, 4)
    assert read.phases == [*[phase for phase in read.phases if phase is Phase.PILOT], "tune", "confirm"]


def test_the_three_best_run_again_on_three_free_seeds():
    read = study(
        {"space": SPACE, "sampler": "tpe", "trials": 12},
        seeds={"pilot": 0, "tune": [3, 5], "confirm": [6, 8]},
    )
    assert read.fresh_seeds == [7, 9, 10]
    assert read.tuning_trials == 2 * 12 + 3 * 3


def test_of_one_dimension_nothing_runs_again():
    read = study({"space": {"learning_rate": RATE, "clip": [1]}, "sampler": "qmc", "trials": 5})
    assert read.fresh_seeds == []
    assert read.tuning_trials == 5


def test_a_grid_is_all_of_its_points():
    read = study({"space": {"learning_rate": [1e-3, 2e-3], "weight_decay": [0, 0.1]}})
    assert (read.tuning.sampler, read.tuning.points) == ("grid", 4)


@pytest.mark.parametrize(
    ("tuning", "changes", "says"),
    [
        ({"space": SPACE}, {}, "the sampler grid tries every value"),
        ({"space": SPACE, "sampler": "cmaes", "trials": 9}, {}, "weight_decay: the sampler cmaes goes by"),
        ({"space": SPACE, "sampler": "tpe"}, {}, "trials: how many points the sampler tpe tries is missing"),
        ({"space": {"weight_decay": [0, 1]}}, {}, "learning_rate is missing"),
        ({"space": {"learning_rate": [0.1]}}, {}, "nothing is tuned; give learning_rates of one value"),
        ({"space": {"learning_rate": [0.1, 20]}}, {}, "is from 1e-09 to 10"),
        ({"space": {"learning_rate": [0.1], "tokens": [1, 2]}}, {}, "set training.tokens"),
        ({"space": {"learning_rate": [0.1], "optimizer": ["adamw", "lion"]}}, {}, "make it a factor"),
        ({"space": {"learning_rate": [0.1], "betas": [1, 2]}}, {}, "tune beta1 and beta2"),
        ({"space": {"learning_rate": [0.1], "weight_decoy": [1]}}, {}, "weight_decay"),
        ({"space": {"learning_rate": [0.1], "clip": [1, None]}}, {}, "None is no number"),
        ({"space": {"learning_rate": [0.1, 0.2]}, "trials": 3}, {}, "the grid has 2 points"),
        (
            {"space": {"learning_rate": [0.1, 0.2]}, "sampler": "tpe", "trials": 3},
            {},
            "more than the 2 points",
        ),
        (
            {"space": SPACE | {"warmup": [0, 0.1]}, "sampler": "qmc", "trials": 8, "pruner": "halving"},
            {},
            "warmup changes that",
        ),
        (
            {"space": SPACE, "sampler": "qmc", "trials": 8, "pruner": "wilcoxon"},
            {},
            "stops nothing with 1 seed; give seeds.tune of 5 or more",
        ),
        (
            {"space": SPACE, "sampler": "qmc", "trials": 8},
            {"learning_rates": [0.1]},
            "learning_rates: has no",
        ),
        ({"space": SPACE, "sampler": "qmc", "trials": 8}, {"halving": True}, "write tuning.pruner: halving"),
        ({"space": SPACE, "sampler": "qmc", "trials": 8}, {"grid_growth": 1}, "grid_growth: has no use"),
        ({"space": SPACE, "sampler": "qmc", "trials": 8}, {"seeds": {"tune": 0}}, "tuning needs at least 1"),
        (None, {}, "learning_rates: are missing"),
    ],
)
def test_what_cannot_be_is_refused(tuning, changes, says):
    with pytest.raises(UserError, match=r"tiny\.yaml") as raised:
        study(tuning, **changes)
    assert says in str(raised.value)
