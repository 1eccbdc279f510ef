"""Corpora by specification: which kinds there are (``SOURCES``), and from a specification to its documents.

The strings and mappings that a study file may give as ``data.corpus`` are listed by ``list_corpora``.
"""

from typing import Any

from workbench.data.sources.huggingface import HuggingFace
from workbench.data.sources.local_files import LocalFiles
from workbench.data.sources.source import KEY, LISTED, CorpusConfig
from workbench.data.sources.standard_library import StandardLibrary
from workbench.data.sources.tasks import Task
from workbench.data.split import Documents, distinct, fingerprint, split, utf8_bytes
from workbench.data.tasks.registry import Generated, is_generated, read_task
from workbench.data.tasks.task import GeneratedTask
from workbench.errors import UserError, suggestion
from workbench.user_input import read_as

# Every kind of corpus. A new one is a file in ``sources``, imported above, and its class in this list.
SOURCES: tuple[type[CorpusConfig], ...] = (StandardLibrary, LocalFiles, HuggingFace, Task, Generated)

_BY_KEY = {kind.key: kind for kind in SOURCES}
_NAMES = [StandardLibrary().name]  # what a specification may be by itself, without a mapping


def list_corpora() -> list[dict[str, str]]:
    """Name, description and an example of each kind of corpus."""
    return [example._asdict() for kind in SOURCES for example in kind.examples]


def corpus_config(
    spec: str | dict[str, Any] | CorpusConfig, key: str = KEY, *, trained_on: bool = True
) -> CorpusConfig:
    """The config that ``spec`` means; raises ``UserError`` naming the key and the known ones.

    ``key`` is where it stands in the study file. A source that is only judged on (``trained_on`` is false)
    may have a validation fraction of 1.
    """
    config = spec if isinstance(spec, CorpusConfig) else _read_spec(spec, key)
    if trained_on and config.validation_fraction == 1:
        raise UserError(
            f"{key}.validation_fraction: 1 leaves nothing to train on; give less than 1 (a source of "
            "data.evaluation, which is only judged on, may have 1)"
        )
    if not trained_on and config.treatment:
        raise UserError(f"{key}.treatment: text that is judged on is never treated; remove it")
    return config


def _read_spec(spec: str | dict[str, Any], key: str) -> CorpusConfig:
    if isinstance(spec, str):
        spec = {"name": spec}
    if not isinstance(spec, dict):
        raise UserError(f"{key}: expected a name or a mapping, got {spec!r}; e.g. {{path: folder}}")
    keys = [known for known in _BY_KEY if known in spec]
    if len(keys) != 1:
        raise UserError(f"{key}: {_which_corpus(spec, keys)}")
    if "name" in spec and spec["name"] not in _NAMES:
        *others, last = [f"{{{known}: ...}}" for known in _BY_KEY if known != "name"]
        raise UserError(
            f"{key}: unknown corpus {spec['name']!r}; {suggestion(spec['name'], _NAMES, LISTED)}; "
            f"or give {', '.join(others)} or {last}"
        )
    if is_generated(spec):
        return read_task(spec, key)
    return read_as(_BY_KEY[keys[0]], spec, under=key)


def untreated(spec: str | dict[str, Any]) -> str | dict[str, Any]:
    """The corpus of ``spec`` as it is: what tokenizers are learned from, and what is judged on."""
    if isinstance(spec, str):
        return spec
    left = {key: value for key, value in spec.items() if key != "treatment"}
    return left["name"] if list(left) == ["name"] else left


def treated(spec: str | dict[str, Any], treatment: Any) -> str | dict[str, Any]:
    """The corpus of ``spec`` with this treatment alone; raises ``UserError`` for one that cannot be."""
    own = spec if isinstance(spec, dict) else {"name": spec}
    config = corpus_config(own | {"treatment": treatment})
    if config.treatment is None:
        return untreated(spec)
    return {**own, "treatment": config.treatment.spec()}


def load_documents(config: CorpusConfig) -> Documents:
    """Read, drop copies, and split; raises ``UserError`` for a corpus without enough text."""
    if isinstance(config, GeneratedTask):
        return config.documents()
    source = config.open()
    documents, dropped = distinct(source.documents, config.max_bytes)
    if sum(map(len, documents)) < 2:
        raise UserError(f"{KEY}: {source.title} holds no text; choose another corpus, or a larger max_bytes")
    train, validation = split(documents, config.validation_fraction)
    description = _describe(config, source.title, documents)
    if config.treatment:
        train = [text for text in config.treatment.apply(train) if text.strip()]
        if not train:
            raise UserError(
                f"{KEY}.treatment: {config.treatment.label} leaves no text to train on; choose another"
            )
        description += (
            f", {config.treatment.label} leaves {_megabytes(sum(map(utf8_bytes, train)))} to train on"
        )
    return Documents(
        train=train,
        validation=validation,
        fingerprint=fingerprint(train, validation),
        description=description,
        dropped_duplicates=dropped,
    )


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


def _which_corpus(spec: dict[str, Any], keys: list[str]) -> str:
    """What is wrong with a specification that has several of the ``keys`` of kinds, or none."""
    if len(keys) > 1:
        return f"the keys {' and '.join(keys)} name different corpora; keep one of them"
    near = [suggestion(key, _BY_KEY, LISTED) for key in spec]
    closest = next((text for text in near if text.startswith("did")), f"Known: {', '.join(_BY_KEY)}")
    return f"no key says which corpus it is, got {', '.join(map(str, spec)) or 'none'}; {closest}"
