"""Byte-level byte-pair encoding learned from a text, and how long that will take.

The library says nothing while it learns. So it learns in a thread, and the time is foreseen from that of the
text's beginning: it is about linear in the text (``cuts`` sees to that), and less where words repeat.
"""

import threading
import time
from collections.abc import Callable, Iterator

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from workbench.data.pretokenization import pre_tokenizer

_SILENT = 10_000_000  # characters that are learned from within seconds
_SAMPLE = 500_000  # characters of the beginning
_REPORT_SECONDS = 1.0


def learn_pairs(pieces: int, documents: list[str], end: str, progress: Callable[[float], None]) -> bytes:
    """The tokenizer.json of ``pieces`` learned from ``documents``, and the token ``end`` after them."""
    model = tokenizers.Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizer(documents)
    model.decoder = decoders.ByteLevel()
    size = sum(map(len, documents))
    if size <= _SILENT:
        _learn(model, pieces, documents)
    else:
        _learn_watched(model, pieces, documents, size, progress)
    model.add_special_tokens([end])
    return model.to_str(pretty=True).encode("utf-8")


def _learn(model: tokenizers.Tokenizer, pieces: int, documents: list[str]) -> None:
    trainer = trainers.BpeTrainer(
        vocab_size=pieces, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    model.train_from_iterator(documents, trainer, length=len(documents))


def _learn_watched(
    model: tokenizers.Tokenizer,
    pieces: int,
    documents: list[str],
    size: int,
    progress: Callable[[float], None],
) -> None:
    trial = tokenizers.Tokenizer(models.BPE())
    trial.pre_tokenizer = model.pre_tokenizer
    began = time.monotonic()
    _learn(trial, pieces, list(_beginning(documents, _SAMPLE)))
    expected = (time.monotonic() - began) * size / _SAMPLE

    failed: list[BaseException] = []

    def learn() -> None:
        try:
            _learn(model, pieces, documents)
        except BaseException as error:
            failed.append(error)

    learner = threading.Thread(target=learn, daemon=True)  # the library lets others run meanwhile
    learner.start()
    began = time.monotonic()
    while learner.is_alive():
        learner.join(_REPORT_SECONDS)
        progress(_part((time.monotonic() - began) / expected))
    if failed:
        raise failed[0]


def _part(times: float) -> float:
    """What is done after so many ``times`` the expected duration; a fifth is for what was not foreseen."""
    return 0.8 * times if times < 1 else 1 - 0.2 / times


def _beginning(documents: list[str], size: int) -> Iterator[str]:
    """The first ``size`` characters of ``documents``."""
    for text in documents:
        if size <= 0:
            return
        yield text[:size]
        size -= len(text)
