"""One way to sum a validation: the same numbers from a trial, from a population and from ``evaluate``."""

import math

import pytest
import torch

from tests.training.test_trial import CONTEXT, config, train
from workbench.data.batches import EvaluationBatches
from workbench.records.run import RunDirectory
from workbench.seeds import generator
from workbench.training.evaluation import evaluate
from workbench.training.population.trial import run_population
from workbench.training.run import Watcher
from workbench.training.trained_decoder import load_decoder
from workbench.training.validation import MOST_PASSAGES, ValidationSums

BATCHES = [(7, 11), (5, 0), (3, 4)]  # targets, bytes


def own_split(corpus):
    return {"validation": EvaluationBatches(corpus, CONTEXT, 2, 128)}


def summed(losses):
    sums = ValidationSums()
    for loss, (count, size) in zip(losses, BATCHES, strict=True):
        sums.add(loss, torch.zeros(count, dtype=torch.long), size)
    return sums


def test_the_sums_are_those_of_python_in_the_order_of_the_batches():
    losses = torch.rand(len(BATCHES), generator=generator("validation"))
    nats = 0.0
    for loss, (count, _) in zip(losses.tolist(), BATCHES, strict=True):
        nats += loss * count
    found = summed(losses)
    assert found.targets == 15
    assert found.metrics() == {
        "validation/loss": nats / 15,
        "validation/bits_per_byte": nats / math.log(2) / 15,
    }


def test_each_replica_has_the_sums_that_it_has_alone():
    losses = torch.rand(len(BATCHES), 3, generator=generator("validation"))  # (N, R)
    assert summed(losses).metrics_of_each() == [summed(losses[:, index]).metrics() for index in range(3)]


def test_passages_are_the_batches_and_add_up_to_the_loss():
    losses = torch.rand(len(BATCHES), 3, generator=generator("validation"))  # (N, R)
    sums = summed(losses)
    for index, found in enumerate(sums.passages_of_each(3)):
        assert found["targets"] == [count for count, _ in BATCHES]
        nats = [float(loss) * count for loss, (count, _) in zip(losses[:, index], BATCHES, strict=True)]
        assert found["nats"] == pytest.approx(nats, abs=1e-6)
        assert sum(found["nats"]) / 15 == pytest.approx(sums.metrics_of_each()[index]["validation/loss"])
    assert summed(losses[:, 0]).passages() == sums.passages_of_each(3)[0]


def test_of_many_batches_neighbours_are_joined():
    sums = ValidationSums()
    for place in range(MOST_PASSAGES * 2 + 1):
        sums.add(torch.tensor(float(place)), torch.zeros(2, dtype=torch.long), 2)
    found = sums.passages()
    assert len(found["nats"]) == 43
    assert (found["nats"][0], found["targets"][0]) == (2 * (0 + 1 + 2), 6)
    assert sum(found["targets"]) == 2 * (MOST_PASSAGES * 2 + 1)


def test_tokens_that_stand_for_no_byte_divide_by_one():
    sums = ValidationSums()
    sums.add(torch.tensor(math.log(2)), torch.zeros(4, dtype=torch.long), 0)
    assert sums.metrics()["validation/bits_per_byte"] == pytest.approx(4)


def test_a_trial_and_evaluate_give_the_same_to_the_last_bit(tmp_path, corpus):
    record, directory = train(tmp_path, corpus)
    found = evaluate(load_decoder(directory), own_split(corpus))
    tokens = found.pop("tokens")
    assert tokens == 128 // CONTEXT * CONTEXT
    assert {key: record.summary[key] for key in found} == found
    assert sum(record.passages["targets"]) == tokens
    assert sum(record.passages["nats"]) / tokens == pytest.approx(found["validation/loss"])
    assert directory.read().passages == record.passages


def test_a_population_and_evaluate_give_the_same(tmp_path, corpus):
    for seed in (1, 2):
        train(tmp_path / str(seed), corpus, config(dropout=0.1), seed=seed, stop_at=0)  # only its record
    made = [RunDirectory(tmp_path / seed / "runs" / "run") for seed in "12"]
    for directory in made:
        directory.checkpoint.unlink()
    for record, directory in zip(run_population(made, lambda data: corpus, Watcher()), made, strict=True):
        found = evaluate(load_decoder(directory), own_split(corpus))
        for key in ("validation/loss", "validation/bits_per_byte"):
            assert record.summary[key] == pytest.approx(found[key], rel=1e-6)
        nats, targets = record.passages["nats"], record.passages["targets"]
        assert sum(nats) / sum(targets) == pytest.approx(record.summary["validation/loss"])
        assert len(nats) == len(targets) == len(list(own_split(corpus)["validation"]))
