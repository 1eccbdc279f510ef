"""The checkpoint of a replica, as it lies on disk: studies of an earlier version go on from it."""

from safetensors import safe_open

from tests.training.population.test_population import TRIALS, config, together
from workbench.training.population.replica_file import load_replica, replica_step


def test_its_keys_are_those_that_older_checkpoints_have(tmp_path, corpus):
    events = []
    _, made = together(
        tmp_path, corpus, config(), report=events.append, should_stop=lambda: events[-1].get("step") == 7
    )
    assert len(made) == len(TRIALS)
    for directory in made:
        assert directory.replica.name == "replica.ckpt"
        with safe_open(directory.replica, "pt") as file:
            assert set(file.metadata()) == {"state", "crc32"}
        tensors, state = load_replica(directory.replica)
        assert set(tensors) == {"parameters", "mean", "square"}
        assert len({tensor.shape for tensor in tensors.values()}) == 1
        known = {"step", "seconds", "validation", "last_loss", "peak_memory", "rows"}
        assert set(state) == {*known, "text_losses", "answers"}  # the last two may be missing
        assert replica_step(directory.replica) == state["step"] == 7
        assert set(state["validation"]) == {"validation/loss", "validation/bits_per_byte"}
