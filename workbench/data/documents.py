"""From a corpus to its documents: read, without copies, split, and treated on the side that is trained on.

What is held out is decided first. What is left out of training because of it (near copies, pieces of texts
that are judged on) goes before any treatment, so that all treatments of a pool begin with the same documents.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from workbench.data.contamination import JudgedPieces
from workbench.data.corpora import part_configs
from workbench.data.mixing import mixed_documents
from workbench.data.near_copies import near_any, signatures
from workbench.data.shared_pool import shared_pool
from workbench.data.sources.mixture import Mixture
from workbench.data.sources.source import KEY, CorpusConfig
from workbench.data.split import Documents, distinct, document_keys, fingerprint, split, utf8_bytes
from workbench.data.tasks.task import GeneratedTask
from workbench.data.treatments.tally import Tally
from workbench.data.treatments.treatment import Outcome, Resources
from workbench.errors import UserError
from workbench.progress import Progress, patient

NEAR_COPIES, DECONTAMINATE = "near_copies", "decontaminate"


class HeldOut(NamedTuple):
    """The validation documents of a corpus, and what to call it."""

    documents: list[str]
    description: str


def held_out(config: CorpusConfig) -> HeldOut:
    """What a corpus holds out; raises ``UserError`` for one without enough text."""
    pool = _pool(config)
    return HeldOut(pool.validation, pool.description)


def load_documents(
    config: CorpusConfig, progress: Progress = lambda text, part: None, cache: Path | None = None
) -> Documents:
    """Read, drop copies, split, and treat; raises ``UserError`` for a corpus without enough text.

    What is there before any treatment is taken from ``cache``, or put into it, where treatments share it.
    """
    if isinstance(config, GeneratedTask):
        return config.documents()
    whole = config.model_copy(update={"treatment": None})
    if cache is not None and _is_shared(config):
        pool = shared_pool(whole, cache, lambda: _untreated(whole, progress, cache), progress)
    else:
        pool = _untreated(whole, progress, cache)
    if config.treatment is None:
        return pool
    training = _Training(pool, progress)
    training.treat(config, cache)
    return training.documents()


def _is_shared(config: CorpusConfig) -> bool:
    """Whether a pool is kept: where it is treated, or more was done to it than reading it."""
    return config.treatment is not None or config.near_copies == "drop" or bool(config.decontaminate)


def _untreated(config: CorpusConfig, progress: Progress, cache: Path | None) -> Documents:
    """The documents of a corpus without a treatment."""
    pool = _pool(config, progress, cache)
    training = _Training(pool, progress)
    if config.near_copies == "drop":
        training.without_near_copies(pool.validation)
    parts = part_configs(config)
    judged = [option for option in parts if option.startswith(DECONTAMINATE)]
    if judged:
        training.without_pieces_of([text for option in judged for text in held_out(parts[option]).documents])
    return training.documents()


class _Training:
    """The training side on its way: its texts, what each document is known by, and what was left out."""

    def __init__(self, pool: Documents, progress: Progress) -> None:
        self.texts = pool.train
        self.keys = pool.train_keys
        self.description = pool.description
        self.stages = list(pool.stages)
        self.examples = list(pool.examples)
        self._pool = pool
        self._progress = progress

    def documents(self) -> Documents:
        """What has become of the pool; where nothing was done to it, the pool itself."""
        if self.texts is self._pool.train:
            return self._pool
        return replace(
            self._pool,
            train=self.texts,
            fingerprint=fingerprint(self.texts, self._pool.validation),
            description=self.description,
            train_keys=self.keys,
            stages=tuple(self.stages),
            examples=tuple(self.examples),
        )

    def without_near_copies(self, validation: list[str]) -> None:
        """Leave out what is nearly a validation document."""
        others = signatures(validation)
        found = signatures(self.texts, report=self._report("looking for near copies of validation text"))
        near = near_any(found, others)
        outcomes = [
            Outcome("", "near_copy") if is_near else Outcome(text)
            for text, is_near in zip(self.texts, near, strict=True)
        ]
        tally = self._pass(NEAR_COPIES, outcomes, f"{KEY}.near_copies: dropping them")
        self.description += f", without {_dropped(tally)} near copies of validation text"

    def without_pieces_of(self, judged: list[str]) -> None:
        """Leave out documents that have a piece of a text that is judged on."""
        pieces = JudgedPieces(judged)
        outcomes = pieces.outcomes(self.texts, self._report("looking for text that is judged on"))
        tally = self._pass(DECONTAMINATE, outcomes, f"{KEY}.decontaminate: it")
        self.stages[-1]["judged_share"] = pieces.leaked_share
        self.description += f", without {_dropped(tally)} that have text of what is judged on"

    def treat(self, config: CorpusConfig, cache: Path | None) -> None:
        """Apply the corpus's treatment."""
        treatment, parts = config.treatment, part_configs(config)
        references = {
            option: load_documents(parts[f"treatment.{option}"], self._progress, cache).train
            for option in treatment.references()
        }
        resources = Resources(references, self._report(f"treating the text ({treatment.label})"))
        try:
            outcomes = treatment.apply(self.texts, resources)
            self._pass(treatment.name, outcomes, f"{KEY}.treatment: {treatment.label}")
        except UserError as error:
            if str(error).startswith(KEY):
                raise
            raise UserError(f"{KEY}.treatment.{error}") from error
        size = _megabytes(sum(map(utf8_bytes, self.texts)))
        self.description += f", {treatment.label} leaves {size} to train on"

    def _pass(self, name: str, outcomes: Iterable[Outcome], what: str) -> Tally:
        tally = Tally(name)
        places = tally.keep(self.texts, outcomes)
        if not places:
            raise UserError(f"{what} leaves no text to train on; choose another")
        self.texts = tally.texts
        self.keys = [self.keys[place] for place in places]
        self.stages.append(tally.to_dict())
        self.examples.append({"name": name, **tally.examples})
        return tally

    def _report(self, text: str) -> Callable[[float], None]:
        return patient(self._progress, text)


def _dropped(tally: Tally) -> str:
    counts = tally.to_dict()
    return f"{counts['documents'] - counts['documents_left']:,}"


def _pool(
    config: CorpusConfig, progress: Progress = lambda text, part: None, cache: Path | None = None
) -> Documents:
    """Both sides of the split, before anything is left out of training."""
    if isinstance(config, Mixture):
        return _mixed(config, progress, cache)
    source = config.open()
    documents, dropped = distinct(source.documents, config.max_bytes, keep_copies=config.copies == "keep")
    if sum(map(len, documents)) < 2:
        raise UserError(f"{KEY}: {source.title} holds no text; choose another corpus, or a larger max_bytes")
    train, validation = split(documents, config.validation_fraction)
    if config.copies == "keep":
        validation, copies = distinct(validation)  # each is scored once
        dropped += copies
    return _split_documents(train, validation, dropped, _describe(config, source.title, documents))


def _split_documents(
    train: list[str],
    validation: list[str],
    dropped: int,
    description: str,
    sources: tuple[dict[str, Any], ...] = (),
) -> Documents:
    """Both sides as documents to which nothing was done yet."""
    return Documents(
        train=train,
        validation=validation,
        fingerprint=fingerprint(train, validation),
        description=description,
        dropped_duplicates=dropped,
        train_keys=document_keys(train),
        sources=sources,
    )


def _mixed(config: Mixture, progress: Progress, cache: Path | None) -> Documents:
    """The corpora of a mixture, each split and treated by itself, put together on either side."""
    parts = part_configs(config)
    pools = {name: load_documents(parts[f"mixture.{name}"], progress, cache) for name in config.mixture}
    fraction = config.validation_fraction
    limits: dict[str, float | None] = {"train": None, "validation": None}
    if config.max_bytes is not None:
        limits = {"train": (1 - fraction) * config.max_bytes, "validation": fraction * config.max_bytes}
    train = mixed_documents(
        {name: pool.train for name, pool in pools.items()},
        config.shares,
        passes=config.passes,
        max_bytes=limits["train"],
    )
    validation = mixed_documents(
        {name: pool.validation for name, pool in pools.items()}, config.shares, max_bytes=limits["validation"]
    )
    if not train or not validation:
        raise UserError(f"{KEY}.mixture: one of its corpora holds too little text; give larger ones")
    shares = ", ".join(f"{100 * share:.3g} % {name}" for name, share in config.shares.items())
    size = _megabytes(sum(utf8_bytes(text) for _, text in [*train, *validation]))
    inside = "; ".join(f"{name}: {pool.description}" for name, pool in pools.items())
    return _split_documents(
        [text for _, text in train],
        [text for _, text in validation],
        sum(pool.dropped_duplicates for pool in pools.values()),
        f"mixture of {shares}, {len(train) + len(validation):,} documents, {size} ({inside})",
        tuple(
            {
                "name": name,
                "share": config.shares[name],
                "corpus": parts[f"mixture.{name}"].spec(),
                "description": pool.description,
                "available": _size(pool.train),
                "train": _size([text for source, text in train if source == name]),
                "validation": _size([text for source, text in validation if source == name]),
                "stages": list(pool.stages),
                "examples": list(pool.examples),
            }
            for name, pool in pools.items()
        ),
    )


def _size(texts: list[str]) -> dict[str, int]:
    return {"documents": len(texts), "bytes": sum(map(utf8_bytes, texts))}


def _describe(config: CorpusConfig, title: str, documents: list[str]) -> str:
    # It stands in the manifest, which is hashed, so that its numbers stay as they were written once.
    size = _megabytes(sum(map(utf8_bytes, documents)))
    if len(documents) == 1 and config.validation_fraction == 1:
        return f"{title}, one document, {size}"
    if len(documents) == 1:
        return (
            f"{title}, one document, {size}, split by position "
            f"(the last {config.validation_fraction:.0%} validates)"
        )
    return f"{title}, {len(documents):,} {config.unit}, {size}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
