"""The checkpoint of a trial that trains alone: what is in it, and that it is read once."""

import pytest
import torch

from tests.training.test_trial import config, train
from workbench.records.run import RunDirectory, State
from workbench.training import trial
from workbench.training.checkpoint_file import load_checkpoint


@pytest.fixture
def stopped(tmp_path, corpus):
    """A trial that stands at step 6, with its checkpoint."""
    _, directory = train(tmp_path, corpus, config(dropout=0.1), stop_at=6)
    return directory


def test_its_keys_are_those_that_older_checkpoints_have(stopped):
    content = load_checkpoint(stopped.checkpoint).content
    assert {"global_step", "state_dict", "optimizer_states", "lr_schedulers", "loops", "callbacks"} <= set(
        content
    )
    assert content["global_step"] == 6
    assert [row["step"] for row in content["rows"]] == [1, 2, 3, 4, 4, 5, 6]
    assert set(content["validation"]) == {"validation/loss", "validation/bits_per_byte"}
    assert all(name.startswith("decoder.") for name in content["state_dict"])
    assert {name: set(state) for name, state in content["callbacks"].items()} == {
        "Recorder": {"seconds", "peak_memory", "last_loss"}
    }


def test_a_resumed_trial_reads_it_once(tmp_path, corpus, stopped, monkeypatch):
    """Gone as soon as it was read and checked: the trial needs it no more, and holds no second copy."""
    seen = []

    def read_and_deleted(path):
        loaded = load_checkpoint(path)
        path.unlink()
        seen.append(loaded)
        return loaded

    monkeypatch.setattr(trial, "load_checkpoint", read_and_deleted)
    resumed, directory = train(tmp_path, corpus, config(dropout=0.1))
    assert resumed.state is State.COMPLETE, resumed.error
    assert [loaded.content for loaded in seen] == [{}]
    monkeypatch.undo()
    whole, other = train(tmp_path / "whole", corpus, config(dropout=0.1))
    assert resumed.summary == whole.summary
    assert directory.weights.read_bytes() == other.weights.read_bytes()


def test_what_is_checked_is_what_is_loaded(stopped, monkeypatch):
    """One read of the file: whatever reads after that reads from memory."""
    sources = []
    load = torch.load
    monkeypatch.setattr(
        torch, "load", lambda source, **options: sources.append(source) or load(source, **options)
    )
    load_checkpoint(stopped.checkpoint)
    assert [type(source).__name__ for source in sources] == ["BytesIO"]
    assert RunDirectory(stopped.path).checkpoint.exists()
