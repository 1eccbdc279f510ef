"""The code of parts that are not the workbench's, kept with a study's results.

A run can then be opened wherever its results are, and goes on with the code that it began with. Each kept
copy is a folder named by the digest that the runs' configurations name.
"""

from collections.abc import Iterable
from pathlib import Path

from workbench.files import replacing_folder, write_json
from workbench.model.config import ModelConfig
from workbench.model.parts.component import Component
from workbench.model.parts.foreign_sources import INDEX, Source, index_of, kept_source, source_of
from workbench.records.manifest import Manifest
from workbench.records.run import PARTS
from workbench.training.config import TrainingConfig


def keep_parts(models: list[ModelConfig], study: Path, trainings: Iterable[TrainingConfig] = ()) -> None:
    """Put the files of all foreign parts into the study's directory: of ``models``, and of ``trainings``."""
    foreign = [config for model in models for config in model.foreign_parts.values()]
    foreign += [config for training in trainings for config in training.foreign_parts]
    for config in foreign:
        source = source_of(config.component)
        if source is not None:
            _keep(config.component, source, study / PARTS)


def _keep(component: type[Component], source: Source, folder: Path) -> None:
    target = folder / source.digest
    index = index_of(target)
    if not (target / INDEX).is_file() or kept_source(target).digest != source.digest:
        _write(source, target)
    index = index or {"classes": {}, "from": str(source.root)}
    # A copy that was itself loaded from a copy has the module's name with the digest behind it.
    module = component.__module__.removesuffix(f"_{source.digest}")
    path = f"{module}:{component.__qualname__}"
    if index["classes"].get(component.name) != path or not (target / INDEX).is_file():
        index["classes"][component.name] = path
        write_json(target / INDEX, index)


def _write(source: Source, target: Path) -> None:
    """All files or none: a copy that lacks its index is no copy."""
    with replacing_folder(target) as partial:
        for path, content in source.files.items():
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            (partial / path).write_bytes(content)


def changed_code(before: Manifest, after: Manifest) -> list[str]:
    """Parts that two manifests have under one name with other code; also where the earlier has no digest."""
    earlier, later = _sources(before), _sources(after)
    return [name for name in later if name in earlier and not later[name] <= earlier[name]]


def _sources(manifest: Manifest) -> dict[str, set[str | None]]:
    """Digests of each foreign part of a manifest; ``None`` where it was not recorded."""
    found: dict[str, set[str | None]] = {}
    parts = [part for variant in manifest.variants for part in variant.model.values()]
    own = [part for variant in manifest.variants for part in variant.training.values()]
    for part in [*parts, *manifest.training.values(), *own]:
        if isinstance(part, dict) and ("source" in part or ":" in str(part.get("name"))):
            found.setdefault(part["name"], set()).add(part.get("source"))
    return found
