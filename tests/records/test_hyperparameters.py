"""One mapping of what is tuned; records from before it keep their ids."""

import json

import pytest

from workbench.records.hyperparameters import described
from workbench.records.run import Phase, RunDirectory, RunRecord, config_hash, run_id


def digest(value):
    return config_hash(value)  # which is of anything that JSON has


def test_a_learning_rate_alone_gives_the_id_that_it_always_gave():
    config = {"model": {"width": 8}}
    rate = {"learning_rate": 0.003}
    assert run_id(config, Phase.TUNE, rate, 7) == digest([config, "tune", 0.003, 7])
    both = rate | {"weight_decay": 0.1}
    assert run_id(config, Phase.TUNE, both, 7) == digest([config, "tune", both, 7])


def test_a_record_of_today_is_read_and_brought_up_to_date(tmp_path):
    fixed = {"study": "s", "variant": "v", "phase": "confirm", "seed": 1, "config": {"model": {}}}
    now = RunRecord(run_id="run", hyperparameters={"learning_rate": 0.003}, **fixed)
    directory = RunDirectory(tmp_path / "run")
    directory.write(now)
    values = json.loads((directory.path / "run.json").read_text())
    before = {"learning_rate" if key == "hyperparameters" else key: value for key, value in values.items()}
    (directory.path / "run.json").write_text(json.dumps(before | {"learning_rate": 0.003}))
    assert directory.read() == now
    directory.write(directory.read())
    assert json.loads((directory.path / "run.json").read_text()) == values


@pytest.mark.parametrize(
    ("hyperparameters", "text"),
    [
        ({"learning_rate": 0.003}, "rate 0.003"),
        ({"learning_rate": 0.003, "weight_decay": 0.1}, "rate 0.003, weight_decay 0.1"),
    ],
)
def test_they_are_described_with_their_names(hyperparameters, text):
    assert described(hyperparameters) == text
