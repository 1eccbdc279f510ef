"""Corpora by specification: which kinds there are (``SOURCES``), and from a specification to its config.

The strings and mappings that a study file may give as ``data.corpus`` are listed by ``list_corpora``.
"""

from typing import Any

from workbench.data.sources.huggingface import HuggingFace
from workbench.data.sources.local_files import LocalFiles
from workbench.data.sources.mixture import Mixture
from workbench.data.sources.python_packages import PythonDocstrings, PythonPackages
from workbench.data.sources.source import KEY, LISTED, CorpusConfig
from workbench.data.sources.standard_library import StandardLibrary
from workbench.data.sources.tasks import Task
from workbench.data.tasks.registry import Generated, is_generated, read_task
from workbench.data.tasks.task import GeneratedTask
from workbench.errors import UserError, suggestion
from workbench.user_input import read_as

# Every kind of corpus. A new one is a file in ``sources``, imported above, and its class in this list.
SOURCES: tuple[type[CorpusConfig], ...] = (
    StandardLibrary,
    PythonDocstrings,
    PythonPackages,
    LocalFiles,
    HuggingFace,
    Task,
    Generated,
    Mixture,
)

_BY_KEY = {kind.key: kind for kind in SOURCES}
# What a specification may be by itself, without a mapping.
_BY_NAME: dict[str, type[CorpusConfig]] = {
    "python-stdlib": StandardLibrary,
    "python-docstrings": PythonDocstrings,
    "python-packages": PythonPackages,
}


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
    part_configs(config, key)  # refuses what cannot be
    return config


def _read_spec(spec: str | dict[str, Any], key: str) -> CorpusConfig:
    if isinstance(spec, str):
        spec = {"name": spec}
    if not isinstance(spec, dict):
        raise UserError(f"{key}: expected a name or a mapping, got {spec!r}; e.g. {{path: folder}}")
    keys = [known for known in _BY_KEY if known in spec]
    if len(keys) != 1:
        raise UserError(f"{key}: {_which_corpus(spec, keys)}")
    named = isinstance(spec.get("name"), str) and spec["name"] in _BY_NAME
    if "name" in spec and not named:
        *others, last = [f"{{{known}: ...}}" for known in _BY_KEY if known != "name"]
        raise UserError(
            f"{key}: unknown corpus {spec['name']!r}; {suggestion(spec['name'], _BY_NAME, LISTED)}; "
            f"or give {', '.join(others)} or {last}"
        )
    if is_generated(spec):
        return read_task(spec, key)
    kind = _BY_NAME[spec["name"]] if named else _BY_KEY[keys[0]]
    return read_as(kind, spec, under=key)


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


def identity(config: CorpusConfig) -> Any:
    """What, beside the options, tells cheaply whether the content is still the same, of its parts too."""
    parts = [identity(part) for part in part_configs(config).values()]
    return [config.identity(), parts] if parts else config.identity()


def part_configs(config: CorpusConfig, key: str = KEY) -> dict[str, CorpusConfig]:
    """The configs of the other corpora that it is made with, by the option that names each."""
    found = {}
    for option, spec in config.parts().items():
        judged = option.startswith("decontaminate")
        found[option] = corpus_config(spec, f"{key}.{option}", trained_on=not judged)
        if isinstance(found[option], GeneratedTask):
            raise UserError(
                f"{key}.{option}: a generated task is ids, not text, and no part of another corpus; name a "
                "corpus of text"
            )
    return found


def _which_corpus(spec: dict[str, Any], keys: list[str]) -> str:
    """What is wrong with a specification that has several of the ``keys`` of kinds, or none."""
    if len(keys) > 1:
        return f"the keys {' and '.join(keys)} name different corpora; keep one of them"
    near = [suggestion(key, _BY_KEY, LISTED) for key in spec]
    closest = next((text for text in near if text.startswith("did")), f"Known: {', '.join(_BY_KEY)}")
    return f"no key says which corpus it is, got {', '.join(map(str, spec)) or 'none'}; {closest}"
