"""Where each tuned value goes."""

import pytest

from workbench.training.config import TrainingConfig
from workbench.training.tuned_values import TUNABLE, field_of, refusal, with_tuned

OPTIONS = {"tokens": 1_000, "batch_size": 4, "betas": [0.9, 0.95]}


def test_every_value_takes_its_field():
    tuned = {"learning_rate": 0.1, "beta2": 0.99, "weight_decay": 0.3, "schedule": "linear"}
    read = TrainingConfig.model_validate(with_tuned(OPTIONS, tuned))
    assert read.betas == (0.9, 0.99)
    assert read.weight_decay == 0.3
    assert read.schedule.name == "linear"


@pytest.mark.parametrize("schedule", ["wsd", {"name": "wsd", "shape": "linear"}])
def test_an_option_of_the_schedule_stands_beside_its_others(schedule):
    read = TrainingConfig.model_validate(
        with_tuned(OPTIONS | {"schedule": schedule}, {"schedule.decay": 0.3})
    )
    assert read.schedule.decay == 0.3
    assert read.schedule.shape == ("sqrt" if schedule == "wsd" else "linear")


def test_what_may_be_tuned_is_a_field():
    for name in (*TUNABLE, "schedule.decay"):
        assert refusal(name) is None
        assert name == "learning_rate" or field_of(name) in TrainingConfig.model_fields
    assert "make it a factor" in refusal("batch_size")
