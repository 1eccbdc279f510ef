"""Parts of a user's own in trials and populations: what is fixed stays, what vmap cannot take is told."""

import random

import own_parts
import pytest
import torch
from safetensors.torch import load_file

from tests.training.population.test_population import alone, compare, config, directories, together
from workbench.model import ModelConfig
from workbench.model.parts.component import NORMS
from workbench.records.run import State
from workbench.training.config import TrainingConfig
from workbench.training.population.sizing import population_size
from workbench.training.population.vmappable import NotVmappable, require_vmappable
from workbench.training.run import Watcher
from workbench.training.trained_decoder import load_decoder
from workbench.training.trial import run_trial


def own(name):
    return f"own_parts:{name}"


@pytest.mark.parametrize(
    ("factor", "name"),
    [("norm", "Mixed"), ("norm", "Buffered"), ("norm", "ZeroCentred"), ("positions", "Recency")],
)
def test_a_replica_equals_the_trial_alone(tmp_path, corpus, factor, name):
    settings = config(**{factor: own(name)})
    found, ours = together(tmp_path / "together", corpus, settings)
    expected, theirs = alone(tmp_path / "alone", corpus, settings)
    compare(found, expected)
    for one, other in zip(ours, theirs, strict=True):
        for key, tensor in load_file(other.weights).items():
            torch.testing.assert_close(load_file(one.weights)[key], tensor, atol=1e-4, rtol=1e-3)
    decoder = load_decoder(ours[0])
    fixed = [key for key, parameter in decoder.named_parameters() if not parameter.requires_grad]
    assert len(fixed) == 3 * (name == "Mixed")
    before = torch.get_rng_state()
    decoder.initialize(1)
    assert torch.equal(torch.get_rng_state(), before)
    for key in fixed:  # neither trained nor decayed, in either way
        for run in (ours[0], theirs[0]):
            assert torch.equal(load_file(run.weights)[key], decoder.get_parameter(key))


def test_a_scalar_and_a_matrix_of_a_part_are_trained(tmp_path, corpus):
    _, made = together(tmp_path, corpus, config(norm=own("Mixed")))
    tensors = load_file(made[0].weights)
    assert tensors["final_norm.gain"].shape == ()
    assert tensors["final_norm.gain"] != 1.5
    assert not torch.equal(tensors["final_norm.turn"], torch.eye(16))


@pytest.mark.parametrize("name", NORMS.names())
def test_normalised_queries_in_a_bf16_population(tmp_path, corpus, name):
    settings = config({"precision": "bf16"}, qk_norm=name)
    found, _ = together(tmp_path / "together", corpus, settings)
    expected, _ = alone(tmp_path / "alone", corpus, settings)
    compare(found, expected, tolerance=5e-3)


def model(**levels):
    return ModelConfig.from_dict(config(**levels)["model"])


FP32 = TrainingConfig(tokens=64, batch_size=2).resolve("cpu")
BF16 = FP32.model_copy(update={"precision": "bf16"})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Branching", r"item"),
        ("Selecting", r"nonzero|dynamic"),
        ("Noisy", r"random"),
        ("Running", r"lerp_|buffer"),
        ("Counting", r"training changes its buffer .*calls"),
        ("Hidden", r"would not train as they do alone"),
    ],
)
def test_what_vmap_cannot_take_is_told_with_its_reason(name, reason):
    for training in (FP32, BF16):
        with pytest.raises(NotVmappable, match=reason) as told:
            require_vmappable(model(norm=own(name)), training, "cpu")
        assert told.value.component == own(name)


@pytest.mark.parametrize("name", ["Mixed", "Buffered", "ZeroCentred"])
def test_what_vmap_takes_is_not_refused(name):
    for training in (FP32, BF16):
        require_vmappable(model(norm=own(name)), training, "cpu")
    require_vmappable(model(norm=own(name), dropout=0.1, attention_softcap=5.0), FP32, "cpu")


def test_the_sizing_tells_it_too():
    with pytest.raises(NotVmappable):
        population_size(model(norm=own("Branching")), FP32, "cpu", 4)


def test_a_part_that_fails_alone_too_has_that_outcome(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr(own_parts.ZeroCentred, "forward", lambda self, x: 1 / 0)
    found, _ = together(tmp_path, corpus, config(norm=own("ZeroCentred")))
    assert all(record.state is State.FAILED for record in found)


def test_runs_that_cannot_train_together_are_left_as_they_were(tmp_path, corpus):
    with pytest.raises(NotVmappable):
        together(tmp_path, corpus, config(norm=own("Noisy")))
    found, made = alone(tmp_path, corpus, config(norm=own("Noisy")))
    assert [record.attempts for record in found] == [1, 1]
    assert all("population" not in record.provenance for record in found)
    again, others = alone(tmp_path / "again", corpus, config(norm=own("Noisy")))
    compare(again, found, tolerance=0)
    assert made[0].weights.read_bytes() == others[0].weights.read_bytes()


def test_changing_buffers_are_saved_and_read_back(tmp_path, corpus):
    found, made = alone(tmp_path, corpus, config(norm=own("Running")))
    assert found[0].state is State.COMPLETE
    mean = load_decoder(made[0]).get_buffer("final_norm.mean")
    assert mean.abs().sum() > 0
    assert torch.equal(mean, load_file(made[0].weights)["final_norm.mean"])


def test_draws_of_other_libraries_are_those_of_the_seed_and_the_step(tmp_path, corpus):
    """A part may draw from ``random`` and NumPy: a resumed trial, or one beside others, is the same."""
    settings = config(norm=own("Drawing"))
    whole, _ = alone(tmp_path / "whole", corpus, settings)
    random.random()
    steps = [0]
    made = directories(tmp_path / "parts", settings)
    for run in made:
        watcher = Watcher(
            report=lambda event: steps.append(event.get("step", steps[-1])),
            should_stop=lambda: steps[-1] == 7,
        )
        assert run_trial(run, lambda data: corpus, watcher).state is State.RUNNING
        steps.append(0)
    resumed, _ = alone(tmp_path / "parts", corpus, settings)
    assert [record.summary for record in resumed] == [record.summary for record in whole]


@pytest.mark.parametrize("train", [alone, together])
def test_an_iterator_that_ends_does_not_end_the_training(tmp_path, corpus, train, monkeypatch):
    """Lightning takes StopIteration for the end of the batches: such a run would be complete too soon."""
    monkeypatch.setattr("workbench.training.population.trial.require_vmappable", lambda *_: None)
    found, _ = train(tmp_path, corpus, config(norm=own("Exhausted")))
    assert {record.state for record in found} == {State.FAILED}
    assert "a part raised StopIteration" in found[0].error


def test_a_fault_of_the_machine_says_nothing_of_what_vmap_can_take(monkeypatch):
    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("workbench.training.population.vmappable._together", broken)
    with pytest.raises(OSError, match="Input/output"):
        require_vmappable(model(norm=own("Mixed"), bias=True), FP32, "cpu")  # not asked about before


def test_state_that_weights_would_not_hold_is_refused(tmp_path, corpus):
    found, _ = alone(tmp_path, corpus, config(norm=own("Forgetful")))
    assert {record.state for record in found} == {State.FAILED}
    assert "steps: training changes this buffer" in found[0].error
    assert "persistent=True" in found[0].error
