"""The variants of a study that stand beside the two that are looked at, and where pages begin to look."""

from collections.abc import Mapping

import pandas as pd

from workbench.errors import UserError, suggestion
from workbench.inspection.scope import MOST_SERIES, Scope
from workbench.records.index import StudyRecords
from workbench.records.manifest import Manifest
from workbench.records.run import Phase, RunDirectory
from workbench.records.training_outcome import untrained

ALL = "all"


def variants_beside(records: StudyRecords, scope: Scope) -> dict[str, RunDirectory]:
    """A run of each variant of ``records`` that neither of the scope's two runs is of, by its name.

    Runs are complete, of the phase of the scope's run (of the same hyperparameters, unless it confirms); of a
    variant's runs one that has weights, then one of the same seed, then the first. Of a folder of imported
    models, which are no variants of each other, there are none.
    """
    manifest = records.manifest
    if manifest.is_import or manifest.is_search:
        return {}
    record = scope.record()
    runs = records.runs
    shown = [scope.record(role).variant for role in scope.roles if scope.record(role).study == record.study]
    found = runs[
        (runs["state"] == "complete") & (runs["phase"] == record.phase) & ~runs["variant"].isin(shown)
    ]
    if record.phase is not Phase.CONFIRM and len(found):
        found = found[
            found["hyperparameters"].map(lambda point: point == record.hyperparameters).astype(bool)
        ]
    chosen = {}
    for variant, rows in found.groupby("variant", sort=False):
        chosen[str(variant)] = _first_of(rows, record.seed)
    return {name: chosen[name] for name in manifest.names if name in chosen}


def first_run(records: StudyRecords, variant: str, seed: int | None = None) -> RunDirectory | None:
    """The run of ``variant`` to look at first: complete, one that confirms, one that has weights.

    Of these the one of ``seed``, else the one of the lowest seed.
    """
    runs = records.runs
    done = runs[(runs["state"] == "complete") & (runs["variant"] == variant)]
    confirming = done[done["phase"] == Phase.CONFIRM]
    rows = confirming if len(confirming) else done
    return _first_of(rows, seed) if len(rows) else None


def _first_of(rows: pd.DataFrame, seed: int | None = None) -> RunDirectory:
    """One that has weights, of these the one of ``seed``, else the one of the lowest seed."""
    known = [(RunDirectory(path), seed) for path, seed in zip(rows["path"], rows["seed"], strict=True)]
    first, _ = min(known, key=lambda one: (not one[0].weights.exists(), one[1] != seed, one[1]))
    return first


def usually_beside(records: StudyRecords, known: Mapping[str, RunDirectory], room: int) -> list[str]:
    """Those of ``known`` that are shown before anything is chosen, at most ``room``: what trained.

    The losses of a variant that did not train would set the scale of all others.
    """
    runs = records.runs
    lost = untrained(runs)
    trained = set(runs.loc[(runs["state"] == "complete") & ~lost, "variant"])
    return [name for name in known if name in trained][:room]


def chosen_beside(records: StudyRecords, scope: Scope, names: list[str]) -> tuple[RunDirectory, ...]:
    """The runs of the variants ``names``; ``all`` is every one that trained, as far as a chart has room.

    Raises ``UserError`` for a name that is no other variant of the run's study, and for too many.
    """
    known = variants_beside(records, scope)
    room = MOST_SERIES - len(scope.roles)
    if ALL in names:
        names = usually_beside(records, known, room)
    for name in names:
        if name not in known:
            raise UserError(f"beside: no run of {name!r} can stand beside; {suggestion(name, [ALL, *known])}")
    if len(names) > room:
        raise UserError(f"beside: {len(names)} variants are more than the {room} that a chart has room for")
    return tuple(known[name] for name in dict.fromkeys(names))


def most_different(
    records: StudyRecords, baseline: str, part: str | None, sizes: Mapping[str, float]
) -> str | None:
    """The variant to look at first: of those that differ from ``baseline`` in ``part``, else of all.

    ``part`` is a key of a model's configuration (``positions``); ``sizes`` says by how much each variant
    differs from the baseline: of these the largest. None where there is no variant beside the baseline.
    """
    manifest = records.manifest
    done = records.runs[records.runs["state"] == "complete"]
    models = _models(done)
    own = models.get(baseline, {})
    others = [name for name in manifest.names if name in models and name != baseline]
    apart = [name for name in others if part is not None and models[name].get(part) != own.get(part)]
    candidates = _single_changes(manifest, apart) or apart or others
    return max(candidates, key=lambda name: sizes.get(name, -1.0), default=None)


def _models(done: pd.DataFrame) -> dict[str, dict]:
    first = done.drop_duplicates("variant")
    return {name: config["model"] for name, config in zip(first["variant"], first["config"], strict=True)}


def _single_changes(manifest: Manifest, names: list[str]) -> list[str]:
    """Those of ``names`` that change nothing else."""
    changes = {variant.name: variant.change for variant in manifest.variants}
    return [name for name in names if len(changes.get(name, {})) == 1]
