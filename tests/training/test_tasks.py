"""Generated tasks in training: what is a target and what is counted, alone, in a population, resumed."""

import numpy as np
import pytest
import torch

from tests.training.population.test_population import alone, compare, config, directories, together
from workbench.data.batches import prepare
from workbench.data.cache import cache_directory
from workbench.data.evaluation_text import evaluation_text
from workbench.data.task_batches import (
    NO_ANSWER,
    TaskBatches,
    TaskTrainingBatches,
    judging_batches,
)
from workbench.data.tasks.registry import task_of
from workbench.data.tasks.task import as_text, from_text
from workbench.data.tokenizers import IdTokenizer
from workbench.errors import UserError
from workbench.model.presets import preset
from workbench.records.run import State
from workbench.seeds import generator
from workbench.training.evaluation import evaluate
from workbench.training.run import Watcher
from workbench.training.trained_decoder import load_decoder
from workbench.training.trial import run_trial
from workbench.training.validation import SetSums, score_answers

RECALL = {"generated": "recall", "length": 8, "pairs": 2, "vocabulary": 12, "sequences": 400}
LONGER = RECALL | {"length": 16}
INDUCTION = {"generated": "induction", "length": 12, "shortest": 2, "longest": 4, "vocabulary": 10}
TRIALS = [(0.01, 1), (0.003, 2)]
SCORES = {f"{name}/{kind}" for name in ("recall", "longer") for kind in ("accuracy", "error", "loss")}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    return prepare(RECALL, {"ids": 12}, tmp_path_factory.mktemp("tasks"))


def entry(name, spec, tokens=256):
    text = evaluation_text(spec, tokens, cache_directory())
    return {"name": name, "corpus": text.corpus, "max_bytes": tokens, "fingerprint": text.fingerprint}


@pytest.fixture
def judged(monkeypatch, tmp_path):
    """A run of a task, with sequences of 8 tokens in windows of 16, judged on two."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    settings = config()
    model = preset("llama", vocabulary=13, context=16, layers=1, width=16, heads=2)
    sets = [entry("recall", RECALL), entry("longer", LONGER)]
    data = {"corpus": RECALL, "tokenizer": {"ids": 12}, "evaluation": sets}
    return settings | {"model": model.to_dict(), "data": data}


def test_targets_are_the_answers_alone_and_a_step_has_as_many_tokens(tasks):
    batches = TaskTrainingBatches(tasks.task, tasks.train, context=16, batch_size=3, seed=1)
    inputs, targets = batches.batch(0)
    assert inputs.shape == targets.shape == (6, 8)
    scored = tasks.task.answers(inputs.numpy()).scored
    for row in range(6):
        for place in range(8):
            is_answer = place < 7 and scored[row, place + 1]
            expected = int(inputs[row, place + 1]) if is_answer else NO_ANSWER
            assert int(targets[row, place]) == expected
    assert (targets >= 0).sum(1).tolist() == [2] * 6


def test_an_epoch_has_every_sequence_once_in_an_order_of_the_seed(tasks):
    one, other = (TaskTrainingBatches(tasks.task, tasks.train, 8, 4, seed) for seed in (1, 2))
    count = one.windows
    assert count == len(tasks.train) // 9
    starts = np.concatenate([one.starts(step) for step in range(-(-count // 4))])[:count]
    assert sorted(starts.tolist()) == [9 * number for number in range(count)]
    assert one.starts(0).tolist() == TaskTrainingBatches(tasks.task, tasks.train, 8, 4, 1).starts(0).tolist()
    assert one.starts(0).tolist() != other.starts(0).tolist()
    text = set(as_text(torch.cat([one.batch(step)[0] for step in range(5)]).numpy()))
    assert text <= set(task_of(RECALL).documents().train)


def test_all_tokens_are_targets_where_a_task_says_so(tmp_path):
    corpus = prepare(INDUCTION | {"loss": "all"}, {"ids": 10}, tmp_path)
    inputs, targets = TaskTrainingBatches(corpus.task, corpus.train, 12, 2, 1).batch(0)
    assert (targets[:, :-1] == inputs[:, 1:]).all()
    assert (targets[:, -1] == NO_ANSWER).all()


class _Knows:
    """A model that is told which answers to give."""

    def __init__(self, wrong):
        self.wrong = wrong

    def __call__(self, batch):
        right = batch.targets.clamp(min=0)
        given = torch.where(self.wrong(batch), (right + 1) % 12, right)
        return torch.nn.functional.one_hot(given, 13).float() * 20


def counted(wrong, spec=RECALL):
    text = evaluation_text(spec, 256, cache_directory())
    batches = judging_batches(text, IdTokenizer(12), 16, 2)
    assert isinstance(batches, TaskBatches)
    sums = SetSums(["recall"])
    for batch in batches:
        sums.add_answers(0, score_answers(_Knows(wrong)(batch), batch.targets), batch)
    return sums, batches


def test_a_validation_counts_what_is_right_by_distance_and_by_length(judged):
    sums, batches = counted(lambda batch: batch.along[batch.group.clamp(max=len(batch.along) - 1)] == 2)
    sequences = from_text(
        [passage.text for passage in evaluation_text(RECALL, 256, cache_directory()).passages]
    )
    found = task_of(RECALL).answers(sequences)
    near = int((found.along == 2).sum())
    answers = int(found.scored.sum())
    whole = int((~(found.along == 2).any(axis=1)).sum())
    assert 0 < near < answers
    assert batches.tokens == answers == 2 * len(sequences)
    metrics = sums.metrics()
    assert metrics["recall/accuracy"] == pytest.approx(1 - near / answers)
    assert metrics["recall/error"] == pytest.approx(near / answers)
    assert metrics["recall/exact_match"] == pytest.approx(whole / len(sequences))
    assert metrics["validation/loss"] == metrics["recall/loss"] > 0
    assert "validation/bits_per_byte" not in metrics
    [tables] = sums.answers_of_each(1)
    along = dict(zip(tables["recall"]["along"]["x"], tables["recall"]["along"]["right"], strict=True))
    counts = dict(zip(tables["recall"]["along"]["x"], tables["recall"]["along"]["answers"], strict=True))
    values, numbers = np.unique(found.along[found.along > 0], return_counts=True)
    assert counts == dict(zip(values.tolist(), numbers.tolist(), strict=True))
    assert along == {x: (0 if x == 2 else counts[x]) for x in counts}
    assert tables["recall"]["length"] == {
        "x": [8],
        "answers": [answers],
        "right": [answers - near],
        "sequences": [len(sequences)],
        "exact": [whole],
    }


def test_strings_are_counted_by_their_length_and_many_distances_in_few_groups(judged):
    copying = {"generated": "copying", "shortest": 1, "longest": 7, "symbols": 9}
    [tables] = counted(lambda batch: batch.targets < -1, copying)[0].answers_of_each(1)
    assert set(tables["recall"]["length"]["x"]) <= set(range(1, 8))
    assert tables["recall"]["length"]["exact"] == tables["recall"]["length"]["sequences"]
    text = evaluation_text({"generated": "needle", "length": 120}, 60_000, cache_directory())
    batches = TaskBatches(text, task_of(text.corpus), 128, 8)
    first = next(iter(batches))
    assert len(first.along) <= 16
    assert first.along.diff().min() > 0
    assert batches.tokens == 5 * len(text.passages)


def test_a_run_of_a_task_has_its_scores_and_its_counts(tmp_path, tasks, judged):
    [directory, _] = directories(tmp_path, judged, TRIALS)
    record = run_trial(directory, lambda data: tasks, Watcher())
    assert record.state is State.COMPLETE, record.error
    assert set(record.summary) >= SCORES | {"validation/loss", "longer/exact_match"}
    assert "validation/bits_per_byte" not in record.summary
    assert record.summary["recall/error"] == pytest.approx(1 - record.summary["recall/accuracy"])
    read = directory.read().answers
    assert set(read) == {"recall", "longer"}
    right, answers = (sum(read["longer"]["along"][key]) for key in ("right", "answers"))
    assert record.summary["longer/accuracy"] == pytest.approx(right / answers)
    assert set(directory.metrics().columns) >= SCORES
    # The same decoder, judged once more by what evaluate runs.
    sets = {
        one["name"]: judging_batches(
            evaluation_text(one["corpus"], one["max_bytes"], cache_directory()), tasks.tokenizer, 16, 2
        )
        for one in judged["data"]["evaluation"]
    }
    found = evaluate(load_decoder(directory), sets)
    for name in SCORES:
        assert found[name] == pytest.approx(record.summary[name], rel=1e-5), name


def test_a_population_of_a_task_is_trained_and_judged_as_its_trials_alone_are(tmp_path, tasks, judged):
    expected, _ = alone(tmp_path / "alone", tasks, judged, TRIALS)
    found, _ = together(tmp_path / "together", tasks, judged, TRIALS)
    compare(found, expected, tolerance=1e-4)
    assert [record.answers for record in found] == [record.answers for record in expected]
    assert found[0].answers is not None


def test_a_stopped_run_of_a_task_goes_on_to_the_same_counts(tmp_path, tasks, judged):
    [whole], _ = alone(tmp_path / "whole", tasks, judged, TRIALS[:1])
    [directory] = directories(tmp_path / "stopped", judged, TRIALS[:1])
    steps = [0]
    watcher = Watcher(
        report=lambda event: steps.append(event.get("step", 0)), should_stop=lambda: max(steps) >= 7
    )
    assert run_trial(directory, lambda data: tasks, watcher).state is State.RUNNING
    resumed = run_trial(directory, lambda data: tasks, Watcher())
    assert (resumed.summary, resumed.answers) == (whole.summary, whole.answers)


def test_a_run_learns_a_task(tmp_path, judged, monkeypatch):
    """Addition modulo a small number, seen whole: it ends far above chance and far below a guess's loss."""
    spec = {"generated": "modular_addition", "modulus": 5, "validation_fraction": 0.2}
    corpus = prepare(spec, {"ids": 7}, tmp_path / "addition")
    model = preset("llama", vocabulary=8, context=5, layers=1, width=32, heads=2)
    own = {"corpus": spec, "tokenizer": {"ids": 7}, "evaluation": [entry("addition", spec)]}
    training = judged["training"] | {"tokens": 5 * 20 * 120, "batch_size": 20, "weight_decay": 0.0}
    settings = judged | {"model": model.to_dict(), "data": own, "training": training}
    [directory] = directories(tmp_path, settings, [(0.02, 1)])
    record = run_trial(directory, lambda data: corpus, Watcher())
    assert record.summary["train/loss"] < 0.1
    batch = TaskTrainingBatches(corpus.task, corpus.train, 5, 20, 1).batch(0)
    with torch.no_grad():
        right = score_answers(load_decoder(directory)(batch[0]), batch[1]).right.sum()
    assert int(right) == 20


def test_sequences_that_do_not_fit_are_refused_with_the_remedy(tasks, judged):
    with pytest.raises(UserError, match=r"context: 20 is no multiple of the 8 tokens.*give 16"):
        TaskTrainingBatches(tasks.task, tasks.train, 20, 1, 1)
    text = evaluation_text(LONGER, 256, cache_directory())
    with pytest.raises(UserError, match="longer than the context, 8; raise the context to 16"):
        judging_batches(text, tasks.tokenizer, 8, 1)
    with pytest.raises(UserError, match="has 12 ids and the model 11"):
        judging_batches(text, tasks.tokenizer, 16, 1).require_known(11)


def test_the_order_of_training_does_not_depend_on_the_global_generator(tasks):
    torch.manual_seed(0)
    first = TaskTrainingBatches(tasks.task, tasks.train, 8, 4, 1).starts(0).tolist()
    torch.rand(1, generator=generator("other"))
    torch.manual_seed(7)
    assert TaskTrainingBatches(tasks.task, tasks.train, 8, 4, 1).starts(0).tolist() == first
