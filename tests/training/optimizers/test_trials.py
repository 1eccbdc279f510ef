"""Every optimizer in trials: resumed they are what they were, and in a population what they are alone."""

import pytest
import torch
from safetensors.torch import load_file

from tests.training.population.test_population import STEPS, alone, compare, config, directories, together
from workbench.model.config import ModelConfig
from workbench.records.run import State
from workbench.training.config import TrainingConfig
from workbench.training.optimizers import OPTIMIZERS
from workbench.training.population.population import Population, Replica
from workbench.training.population.replica_file import load_replica
from workbench.training.population.vmappable import NotVmappable, require_vmappable
from workbench.training.run import Watcher
from workbench.training.schedules import SCHEDULES, rate_factor
from workbench.training.trial import run_trial

RATES = {"lion": 0.003, "sgd": 0.3, "adafactor": 0.05}
# What a replica's checkpoint holds beside its parameters: what is on somebody's disk is read by these names.
MOMENTS = {
    "adamw": {"mean", "square"},
    "adam": {"mean", "square"},
    "sgd": {"momentum"},
    "lion": {"mean"},
    "muon": {"momentum", "mean", "square"},
    "adafactor": {"rows", "columns", "square"},
}
OWN = "own_training:Signs"


def trials_of(name):
    """Two replicas: learning rates and seeds."""
    rate = RATES.get(name, 0.01)
    return [(rate, 1), (rate / 2, 2)]


def stopping_at(step):
    """A watcher that stops what it watches there."""
    seen = [0]
    return {
        "report": lambda event: seen.append(event.get("step", seen[-1])),
        "should_stop": lambda: seen[-1] >= step,
    }


@pytest.mark.parametrize("name", [*OPTIMIZERS.names(), OWN])
def test_a_resumed_trial_is_the_same_to_the_bit(tmp_path, corpus, name):
    settings, trials = config({"optimizer": name, "evaluations": 2}), trials_of(name)[:1]
    (whole,), (expected,) = alone(tmp_path / "whole", corpus, settings, trials)
    (parts,) = directories(tmp_path / "parts", settings, trials)
    assert run_trial(parts, lambda data: corpus, Watcher(**stopping_at(7))).state is State.RUNNING
    resumed = run_trial(parts, lambda data: corpus, Watcher())
    assert resumed.state is State.COMPLETE, resumed.error
    assert resumed.attempts == 2
    assert resumed.summary == whole.summary
    for key, tensor in load_file(expected.weights).items():
        assert torch.equal(load_file(parts.weights)[key], tensor), key


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_a_replica_is_the_trial_alone_also_after_a_stop(tmp_path, corpus, name):
    """With numbers of its own, in a model that has vectors, matrices and biases."""
    numbers = {
        1: {"weight_decay": 0.3, "betas": (0.8, 0.9), "clip": None},
        2: {"weight_decay": 0.0, "epsilon": 1e-4, "clip": 0.5, "warmup": 0.3},
    }

    def settings(rate, seed):
        training = {"optimizer": name, "evaluations": 2, **numbers[seed]}
        return config(training, norm="layernorm", bias=True)

    trials = trials_of(name)
    _, ours = together(tmp_path / "together", corpus, settings, trials, **stopping_at(7))
    for made in ours:
        assert load_replica(made.replica)[0].keys() == {"parameters", *MOMENTS[name]}
    found, _ = together(tmp_path / "together", corpus, settings, trials)
    expected, theirs = alone(tmp_path / "alone", corpus, settings, trials)
    compare(found, expected)
    for one, other in zip(ours, theirs, strict=True):
        for column in ("train/loss", "gradient_norm", "learning_rate"):
            values = one.metrics()[column].dropna().to_list()
            assert len(values) == STEPS
            assert values == pytest.approx(other.metrics()[column].dropna().to_list(), rel=1e-4), column


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_a_replica_that_diverged_and_one_that_left_take_nothing_along(name):
    """One row of three is set to zero, another is taken out: the last goes on as in a population of one."""
    settings = config({"optimizer": name})
    options = {key: value for key, value in settings["training"].items() if key != "device"}
    model, training = ModelConfig.from_dict(settings["model"]), TrainingConfig(**options)

    def population(seeds):
        replicas = [Replica(training=training, learning_rate=0.01, seed=seed) for seed in seeds]
        made = Population(model, replicas, steps=10)
        made.prepare()
        return made, made.configure_optimizers()

    three, of_three = population([1, 2, 3])
    one, of_one = population([3])
    for done in range(4):
        if done == 1:
            three.flat_parameters.data[0] = torch.nan
            three.mask(0)
        if done == 2:
            three.keep([0, 2])
            three._places = None  # the batches of this test are the same for all
        tokens = torch.arange(2 * model.context).reshape(1, 2, -1) % 257  # (1, B, T)
        for made, optimizer in ((three, of_three), (one, of_one)):
            batch = tokens.expand(len(made.replicas), -1, -1)
            made.flat_parameters.grad = None
            made.training_step((batch, batch), 0)["loss"].backward()
            optimizer.step()
    assert three.flat_parameters[0].count_nonzero() == 0
    torch.testing.assert_close(three.flat_parameters[1], one.flat_parameters[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_scalars_and_fixed_matrices_of_a_part_are_stepped_as_they_are_alone(tmp_path, corpus, name):
    settings, trials = (
        config({"optimizer": name, "evaluations": 1}, norm="own_parts:Mixed"),
        trials_of(name)[:1],
    )
    found, (ours,) = together(tmp_path / "together", corpus, settings, trials)
    expected, (theirs,) = alone(tmp_path / "alone", corpus, settings, trials)
    compare(found, expected)
    weights = load_file(theirs.weights)
    assert {tensor.ndim for tensor in weights.values()} == {0, 1, 2}
    for key, tensor in weights.items():
        torch.testing.assert_close(load_file(ours.weights)[key], tensor, atol=1e-4, rtol=1e-3)


def test_replicas_of_two_optimizers_are_trained_apart(tmp_path, corpus):
    names = {1: "lion", 2: {"name": "lion", "betas": [0.9, 0.98]}}
    found, _ = together(tmp_path, corpus, lambda rate, seed: config({"optimizer": names[seed]}))
    assert "train them apart" in found[0].error


def test_every_replica_follows_its_own_schedule(tmp_path, corpus):
    names = dict(enumerate(SCHEDULES.names(), start=1))
    trials = [(0.01, seed) for seed in names]

    def settings(rate, seed):
        return config({"schedule": names[seed], "evaluations": 1, "warmup": 0.2})

    _, made = together(tmp_path / "together", corpus, settings, trials)
    (_,), (by_itself,) = alone(tmp_path / "alone", corpus, settings, trials[-1:])
    for directory, (rate, seed) in zip(made, trials, strict=True):
        training = TrainingConfig(tokens=1, batch_size=1, schedule=names[seed], warmup=0.2)
        expected = [rate * rate_factor(step, STEPS, training) for step in range(STEPS)]
        assert directory.metrics()["learning_rate"].dropna().to_list() == pytest.approx(expected, rel=1e-12)
    rates = by_itself.metrics()["learning_rate"].dropna().to_list()
    assert rates == made[-1].metrics()["learning_rate"].dropna().to_list()


@pytest.mark.parametrize("name", ["Signs", "HalfLion"])
def test_an_optimizer_of_ones_own_is_trained_one_by_one(tmp_path, corpus, name):
    settings = config({"optimizer": f"own_training:{name}", "evaluations": 1})
    with pytest.raises(NotVmappable, match=f"own_training:{name} cannot be trained in a population"):
        together(tmp_path, corpus, settings)
    (record,), _ = alone(tmp_path, corpus, settings, [(0.003, 1)])
    assert record.state is State.COMPLETE, record.error


@pytest.mark.parametrize("name", [*OPTIMIZERS.names(), "own_training:Pride"])
def test_ours_can_all_be_trained_in_a_population_and_so_can_one_whose_class_says_how(name):
    training = TrainingConfig(tokens=1, batch_size=1, optimizer=name).resolve("cpu")
    require_vmappable(ModelConfig.from_dict(config()["model"]), training, "cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_on_a_gpu_in_bf16_compiled(tmp_path, corpus, name):
    settings, trials = config({"optimizer": name}), trials_of(name)
    options = {key: value for key, value in settings["training"].items() if key != "device"}
    training = TrainingConfig(**options | {"precision": "auto", "compile": "auto"}).resolve("cuda")
    settings["training"] = training.model_dump(mode="json") | {"device": "cuda"}
    found, _ = together(tmp_path / "together", corpus, settings, trials)
    expected, _ = alone(tmp_path / "alone", corpus, settings, trials)
    compare(found, expected, tolerance=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_every_optimizer_can_be_compiled_in_a_population(tmp_path, corpus, name, monkeypatch):
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: compile_(f, backend="aot_eager", **options))
    trials = trials_of(name)
    numbers = {"optimizer": name, "evaluations": 1}
    found, _ = together(tmp_path / "together", corpus, config({"compile": True, **numbers}), trials)
    expected, _ = alone(tmp_path / "alone", corpus, config(numbers), trials)
    compare(found, expected)
