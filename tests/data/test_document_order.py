"""Windows in an order that two arms share: what both have comes in one order, whatever one has left out."""

import numpy as np
import pytest

from workbench.data.batches import TrainingBatches, prepare
from workbench.data.document_order import DocumentOrder

CONTEXT = 8
LINES = [f"{number:03} " + "abc " * (3 + number % 7) for number in range(60)]


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    """A corpus as it is, and without the documents that have few words; and the text of both."""
    place = tmp_path_factory.mktemp("order")
    (place / "lines.jsonl").write_text("".join(f'{{"text": "{line}"}}\n' for line in LINES))
    spec = {"path": str(place / "lines.jsonl")}
    loose = {"fewest_words": 6, "stop_words": 0, "symbols": 1, "shortest_mean": 0}
    fewer = spec | {"treatment": {"name": "gopher", **loose}}
    return [prepare(one, "bytes", place / "cache") for one in (spec, fewer)]


def text_of(corpus, document):
    begins = [*corpus.train_documents[:, 0].tolist(), len(corpus.train)]
    return bytes(corpus.train[begins[document] : begins[document + 1] - 1].astype(np.uint8)).decode()


def test_each_document_is_known_by_what_it_was(arms):
    texts = [
        {int(key): text_of(corpus, place) for place, key in enumerate(corpus.train_documents[:, 1])}
        for corpus in arms
    ]
    plain, fewer = texts
    assert sorted(plain.values()) == sorted(set(plain.values()) & set(LINES))
    assert 5 < len(fewer) < len(plain)
    assert fewer.items() <= plain.items()


def windows_of(corpus, seed, epoch=0):
    """The documents' keys and the windows' numbers in them, in the order of an epoch."""
    batches = TrainingBatches(corpus.train, CONTEXT, 1, seed, documents=corpus.train_documents)
    begins, keys = corpus.train_documents.T
    found = []
    for step in range(epoch * batches.windows, (epoch + 1) * batches.windows):
        [start] = batches.starts(step)
        document = np.searchsorted(begins, start, side="right") - 1
        found.append((int(keys[document]), int(start - begins[document]) // CONTEXT))
    return found


@pytest.mark.parametrize("epoch", [0, 1])
def test_arms_share_the_order_of_what_both_have(arms, epoch):
    plain, fewer = (windows_of(corpus, seed=3, epoch=epoch) for corpus in arms)
    both = set(plain) & set(fewer)
    assert len(both) > 30
    assert [one for one in plain if one in both] == [one for one in fewer if one in both]


def test_each_window_comes_once_an_epoch_and_in_another_order_for_each_seed_and_epoch(arms):
    plain = arms[0]
    batches = TrainingBatches(plain.train, CONTEXT, 1, seed=3, documents=plain.train_documents)
    starts = [int(batches.starts(step)[0]) for step in range(batches.windows)]
    assert len(set(starts)) == batches.windows
    assert sorted(starts) == list(range(min(starts), max(starts) + 1, CONTEXT))
    orders = [windows_of(plain, seed, epoch) for seed, epoch in ((3, 0), (3, 1), (4, 0))]
    assert len({tuple(order) for order in orders}) == 3
    # Documents are spread: neighbours in the text are no neighbours in the order.
    places = np.argsort(DocumentOrder(plain.train_documents, CONTEXT).of(np.array(sorted(starts)), 3, 0))
    assert np.abs(np.diff(places)).mean() > batches.windows / 5
