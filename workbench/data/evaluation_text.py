"""Fixed texts that every variant of a study is judged on, whatever it trains on and however it splits text.

An evaluation text is made of passages of a source's validation split. Which they are depends on the source
and on the size of the text alone: never on a tokenizer, a context, or what a variant trains on. A document's
side is decided by its content (``workbench.data.split``), so that a variant that trains on the same source,
or on another with the same fraction, does not train on an exact copy.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from workbench.data.cache import locked, unwritable
from workbench.data.corpora import corpus_config, identity
from workbench.data.documents import held_out
from workbench.data.sources.source import KEY as CORPUS_KEY
from workbench.data.sources.source import CorpusConfig
from workbench.data.split import beginning, utf8_bytes
from workbench.data.tasks.registry import is_generated
from workbench.data.tasks.task import GeneratedTask, as_text
from workbench.errors import RecordError, UserError
from workbench.files import read_json, write_json
from workbench.progress import Progress
from workbench.seeds import generator

KEY = "data.evaluation"
_FORMAT = 2  # raise it when the same source begins to give another text, or entries say more
_PASSAGE_BYTES = 4096
_FEWEST_BYTES = 64  # a line of text: a score on less says nothing


class Passage(NamedTuple):
    """A piece of a document, from the beginning of a line on wherever lines are not very long."""

    text: str
    ends_document: bool


@dataclass(frozen=True, kw_only=True)
class EvaluationText:
    """Passages in the order of their source, whose specification is ``corpus``, defaults written out.

    ``documents`` numbers the document of each passage; it never falls.
    """

    corpus: dict[str, Any]
    passages: tuple[Passage, ...]
    documents: tuple[int, ...]
    source: str  # title and size, for reports

    @cached_property
    def bytes(self) -> int:
        """How many UTF-8 bytes are scored."""
        return sum(utf8_bytes(passage.text) for passage in self.passages)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the passages: equal for equal text, whatever the tokenizer."""
        return sha256(json.dumps(self.passages).encode()).hexdigest()

    @property
    def description(self) -> str:
        """Size and source in a line."""
        number = len(self.passages)
        if is_generated(self.corpus):
            return f"{number:,} sequences of {self.source}"
        passages = f"{number:,} passages" if number > 1 else "one passage"
        return f"{self.bytes:,} bytes in {passages} of {self.source}"


def evaluation_text(
    corpus: str | dict[str, Any] | CorpusConfig,
    max_bytes: int,
    cache: Path,
    progress: Progress = lambda text, part: None,
    key: str = KEY,
) -> EvaluationText:
    """At most ``max_bytes`` UTF-8 bytes of the source's validation split, from ``cache`` or put into it.

    Of a generated task whole sequences of at most ``max_bytes`` tokens.

    ``key`` is where the source stands in a study file: errors begin with it. ``progress`` hears that the
    source is read. Raises ``UserError`` for a source that cannot be, or has too little text to judge by, and
    for a cache that cannot be written.
    """
    config = corpus_config(corpus, key, trained_on=False)
    try:
        entry = Path(cache) / f"{_cache_key(config, max_bytes)}.evaluation.json"
        if found := _open(entry, config):
            return found
        with locked(entry):
            # Another process may have drawn it while this one waited.
            if found := _open(entry, config):
                return found
            progress("reading the evaluation text", 0.0)
            text = _draw(config, max_bytes, key)
            _write(entry, text)
    except UserError as error:
        if not str(error).startswith(CORPUS_KEY):
            raise
        raise type(error)(key + str(error).removeprefix(CORPUS_KEY)) from error
    return text


def _cache_key(config: CorpusConfig, max_bytes: int) -> str:
    parts = [_FORMAT, type(config).__name__, config.spec(), identity(config), max_bytes]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _open(entry: Path, config: CorpusConfig) -> EvaluationText | None:
    """The entry, or None where it is missing or damaged."""
    try:
        values = read_json(entry)
        if values["sha256"] != _checksum(values):
            return None
        passages = tuple(Passage(text, ends) for text, ends in values["passages"])
        return EvaluationText(
            corpus=config.spec(),
            passages=passages,
            documents=tuple(values["documents"]),
            source=values["source"],
        )
    except (RecordError, KeyError, TypeError, ValueError):
        return None


def _write(entry: Path, text: EvaluationText) -> None:
    values: dict[str, Any] = {
        "source": text.source,
        "passages": text.passages,
        "documents": text.documents,
    }
    try:
        write_json(entry, values | {"sha256": _checksum(values)})
    except OSError as error:
        raise unwritable(entry.parent, error) from error


def _checksum(values: dict[str, Any]) -> str:
    content = [values["source"], values["passages"], values["documents"]]
    return sha256(json.dumps(content).encode()).hexdigest()


def _draw(config: CorpusConfig, max_bytes: int, key: str) -> EvaluationText:
    if isinstance(config, GeneratedTask):
        return _generated(config, max_bytes)
    documents = held_out(config)
    passages: list[Passage] = []
    numbers: list[int] = []  # of their documents
    for number, document in enumerate(documents.documents):
        own = list(_passages(document))
        passages += own
        numbers += [number] * len(own)
    chosen = _chosen(passages, max_bytes)
    text = EvaluationText(
        corpus=config.spec(),
        passages=tuple(chosen.values()),
        documents=tuple(numbers[place] for place in chosen),
        source=documents.description,
    )
    if text.bytes >= _FEWEST_BYTES:
        return text
    available = sum(utf8_bytes(passage.text) for passage in passages)
    if available >= _FEWEST_BYTES:
        raise UserError(
            f"training.evaluation_tokens: {max_bytes:,} bytes of {documents.description} are too few to "
            "judge by; raise it"
        )
    raise UserError(
        f"{key}: the validation split of {documents.description} has {available:,} bytes, too few to judge "
        "by; give a larger source, or a larger validation_fraction (1 scores all of a source that nothing is "
        "trained on)"
    )


def _generated(task: GeneratedTask, most_tokens: int) -> EvaluationText:
    """Whole held-out sequences of a task, one at least."""
    count = min(task.held_out_count, max(1, most_tokens // task.tokens))
    passages = tuple(Passage(text, ends_document=True) for text in as_text(task.held_out(count)))
    return EvaluationText(
        corpus=task.spec(),
        passages=passages,
        documents=tuple(range(len(passages))),
        source=f"{task.title}, chance {task.chance:.3g}",
    )


def _passages(document: str) -> Iterator[Passage]:
    """The document in pieces that end where a line does; where one is too long, between two characters."""
    content = document.encode("utf-8")
    start = 0
    while start < len(content):
        end = min(start + _PASSAGE_BYTES, len(content))
        if end < len(content):
            line_end = content.rfind(b"\n", start, end) + 1
            if line_end > start:
                end = line_end
            else:
                while content[end] & 0xC0 == 0x80:  # within a character of several bytes
                    end -= 1
        yield Passage(content[start:end].decode("utf-8"), ends_document=end == len(content))
        start = end


def _chosen(passages: list[Passage], max_bytes: int) -> dict[int, Passage]:
    """Passages drawn until they have ``max_bytes``, by their places, in order; the last one drawn is cut."""
    import torch  # which reading a text without drawing of it does without

    order = torch.randperm(len(passages), generator=generator("evaluation", "passages")).tolist()
    chosen: dict[int, Passage] = {}
    room = max_bytes
    for place in order:
        passage = passages[place]
        if utf8_bytes(passage.text) > room:
            if start := beginning(passage.text, room):
                chosen[place] = Passage(start, ends_document=False)
            break
        chosen[place] = passage
        room -= utf8_bytes(passage.text)
    return {place: chosen[place] for place in sorted(chosen)}
