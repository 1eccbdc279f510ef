"""Batches: the right windows, each once, the same for equal seed and step, and no other randomness."""

import random
from itertools import islice

import numpy as np
import pytest
import torch

from workbench.data.batches import EvaluationBatches, TrainingBatches, check_windows, prepare
from workbench.errors import UserError

TOKENS = np.arange(1000, dtype=np.uint16)  # a token is its own place


def make(seed=0, context=10, batch_size=7, tokens=TOKENS):
    return TrainingBatches(tokens, context, batch_size, seed)


def test_shapes_types_and_targets_shifted_by_one():
    inputs, targets = make().batch(0)
    assert inputs.shape == targets.shape == (7, 10)
    assert inputs.dtype == targets.dtype == torch.int64
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert torch.equal(targets, inputs + 1)


def epoch_of(batches, epoch):
    """The first input of every window of an epoch."""
    first = epoch * batches.windows
    flat = torch.cat([batches.batch(step)[0][:, 0] for step in range((first + batches.windows) // 7 + 1)])
    return flat[first : first + batches.windows].tolist()


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_within_an_epoch_no_window_repeats_or_overlaps(epoch):
    starts = sorted(epoch_of(make(), epoch))
    assert len(starts) == 99
    assert set(np.diff(starts)) == {10}


def test_epochs_differ_in_order_and_in_where_windows_begin():
    first, second = epoch_of(make(), 0), epoch_of(make(), 1)
    assert first != second
    assert first != sorted(first)
    assert len({min(epoch_of(make(), epoch)) for epoch in range(12)}) > 3


def test_over_epochs_every_token_is_a_target():
    batches = make(context=10, batch_size=99)
    seen = {int(i) for step in range(150) for i in batches.batch(step)[1].flatten()}
    assert seen == set(range(1, 1000))


def test_a_batch_depends_on_seed_and_step_alone():
    batches = make(seed=3)
    in_order = [batches.batch(step) for step in range(40)]  # 2.8 epochs
    for step in (39, 14, 28, 0, 13):  # epochs end inside steps 14 and 28
        inputs, targets = make(seed=3).batch(step)
        assert torch.equal(inputs, in_order[step][0])
        assert torch.equal(targets, in_order[step][1])


def test_iteration_resumes_at_any_step():
    batches = make()
    resumed = list(batches.iterate(first_step=12, steps=20))
    assert len(resumed) == 8
    for (inputs, _), step in zip(resumed, range(12, 20), strict=True):
        assert torch.equal(inputs, batches.batch(step)[0])
    assert torch.equal(next(islice(batches, 5, None))[0], batches.batch(5)[0])


def test_seeds_differ():
    assert not torch.equal(make(seed=1).batch(0)[0], make(seed=2).batch(0)[0])


def test_global_generators_are_neither_read_nor_moved(corpus):
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    before = make().batch(20)[0], next(iter(EvaluationBatches(corpus, 8, 4, 64)))[0]
    drawn = torch.rand(1), np.random.rand(), random.random()
    torch.manual_seed(6)
    np.random.seed(6)
    random.seed(6)
    after = make().batch(20)[0], next(iter(EvaluationBatches(corpus, 8, 4, 64)))[0]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    assert drawn == (torch.rand(1), np.random.rand(), random.random())


def test_a_batch_larger_than_an_epoch_spans_several():
    inputs, _ = make(tokens=TOKENS[:35], batch_size=20).batch(1)
    assert inputs.shape == (20, 10)
    assert make(tokens=TOKENS[:35]).windows == 2


@pytest.mark.parametrize("length", [11, 12, 20, 21, 29, 30, 31])
def test_the_smallest_corpora_stay_in_bounds(length):
    batches = make(tokens=TOKENS[:length])
    for step in range(30):
        inputs, targets = batches.batch(step)
        assert torch.equal(targets, inputs + 1)
        assert int(targets.max()) < length


def test_passes_over_the_corpus():
    assert make().epochs(99) == pytest.approx(7.0)
    assert make().epochs(0) == 0


def test_a_corpus_smaller_than_a_window_names_the_context():
    with pytest.raises(UserError, match=r"context: 10 .*train split, which has 10 tokens.*lower the context"):
        make(tokens=TOKENS[:10])
    with pytest.raises(UserError, match="batch_size: 0"):
        make(batch_size=0)
    with pytest.raises(UserError, match="context: 0"):
        make(context=0)
    with pytest.raises(ValueError, match="step -1"):
        make().batch(-1)


def test_evaluation_is_the_same_each_time_and_at_most_max_tokens(corpus):
    evaluation = EvaluationBatches(corpus, 16, 4, 500)
    first, second = list(evaluation), list(EvaluationBatches(corpus, 16, 4, 500))
    assert evaluation.tokens == 496 == sum(targets.numel() for _, targets, *_ in first)
    assert len(evaluation) == len(first) == 8
    assert [len(inputs) for inputs, *_ in first] == [4] * 7 + [3]
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
        assert torch.equal(one[0][:, 1:], one[1][:, :-1])
        assert one[2] == other[2]


def test_evaluation_windows_do_not_depend_on_the_batch_size(corpus):
    by_size = [torch.cat([i for i, *_ in EvaluationBatches(corpus, 16, size, 500)]) for size in (1, 4, 100)]
    assert torch.equal(by_size[0], by_size[1])
    assert torch.equal(by_size[0], by_size[2])


def test_evaluation_is_spread_over_the_split(corpus):
    tokens = corpus.validation
    starts = EvaluationBatches(corpus, 16, 4, 640)._starts
    assert len(set(starts)) == 40
    assert starts.min() < len(tokens) / 4
    assert starts.max() > len(tokens) * 3 / 4
    assert (np.diff(starts) >= 16).all()


def test_without_a_limit_every_target_is_seen_once(corpus):
    evaluation = EvaluationBatches(corpus, 16, 4)
    targets = torch.cat([targets.flatten() for _, targets, *_ in evaluation]).numpy()
    assert np.array_equal(targets, corpus.validation[1 : len(targets) + 1])
    assert len(corpus.validation) - len(targets) <= 16
    assert EvaluationBatches(corpus, 16, 4, 10**9).tokens == evaluation.tokens


@pytest.mark.parametrize("spec", ["bytes", {"bpe": 300}])
def test_bytes_of_the_targets_are_the_bytes_of_their_text(folder, cache, spec):
    corpus = prepare({"path": str(folder)}, spec, cache)
    evaluation = EvaluationBatches(corpus, 16, 4, 500)
    total = 0
    for _, targets, count, _ in evaluation:
        text_ids = targets[targets != corpus.tokenizer.end_of_document]
        pieces = [corpus.tokenizer.byte_lengths()[i] for i in text_ids.tolist()]
        assert count == sum(pieces)
        total += count
    assert evaluation.bytes == total
    whole = EvaluationBatches(corpus, len(corpus.validation) - 1, 1)
    text = corpus.tokenizer.decode(corpus.validation[1:])
    assert whole.bytes == len(text.encode("utf-8"))


def test_evaluation_errors_name_the_key(corpus):
    with pytest.raises(UserError, match=r"evaluation_tokens: 8 .*context \(16\)"):
        EvaluationBatches(corpus, 16, 4, 8)
    with pytest.raises(UserError, match=r"context: 1000000 .*validation split.*validation_fraction"):
        EvaluationBatches(corpus, 1_000_000, 4)


def test_windows_can_be_checked_before_a_study_starts(corpus):
    check_windows(corpus, 16, 500)
    with pytest.raises(UserError, match="context"):
        check_windows(corpus, 100_000_000)
    with pytest.raises(UserError, match="evaluation_tokens"):
        check_windows(corpus, 16, 4)
