"""A run whose final loss is not below that of a uniform guess did not train, however finite it is."""

import math

import pandas as pd
import pytest

from workbench.records.training_outcome import did_not_train, uniform_loss, untrained


@pytest.mark.parametrize(
    ("vocabulary", "state", "loss", "trained"),
    [
        (257, "complete", 2.1, True),
        (257, "complete", math.log(257), False),
        (257, "complete", math.log(257) - 1e-6, False),  # what zeros for logits give in fp32
        (257, "complete", 253_094_644.0, False),
        (50_257, "complete", 7.0, True),  # far above a guess over bytes
        (257, "diverged", 9.0, True),  # has its own word
        (257, "complete", None, True),  # nothing is known against it
        (None, "complete", 9.0, True),
    ],
)
def test_a_run_trained_if_it_ends_below_a_uniform_guess(vocabulary, state, loss, trained):
    row = {
        "state": state,
        "validation/loss": loss,
        "uniform_loss": uniform_loss({"model": {"vocabulary": vocabulary}}),
    }
    assert did_not_train(row) is not trained
    assert untrained(pd.DataFrame([row])).tolist() == [not trained]


def test_a_configuration_without_a_vocabulary_has_no_guess():
    assert [uniform_loss(config) for config in ({}, {"model": None}, {"model": {"vocabulary": 1}})] == [
        None
    ] * 3
