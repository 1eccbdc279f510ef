"""Which run a user means: by id, by the beginning of an id, by path, or as ``study/variant/seed``."""

from contextlib import suppress
from pathlib import Path

from workbench.errors import RecordError, UserError, suggestion
from workbench.records.index import list_studies, study_title
from workbench.records.manifest import read_manifest
from workbench.records.run import Phase, RunDirectory, RunRecord, State, config_hash

_SHORTEST = 4  # characters of an id that may stand for it
_SHOWN = 5
_ITS_OWN = (Phase.CONFIRM, Phase.SEARCH)  # phases in which a variant has a run at each of its seeds

# What became of a run that is not complete.
_BECAME = {
    State.DIVERGED: " (it diverged)",
    State.FAILED: " (it failed)",
    State.PRUNED: " (it was stopped early)",
    State.RUNNING: " (it has not ended)",
    State.QUEUED: " (it has not begun)",
}


def find_run(results: Path, name: str) -> RunDirectory:
    """The one run that ``name`` stands for among the studies in ``results``.

    A run id or at least four of its first characters, the path of a run directory, ``imported/gpt2``,
    ``study/variant/seed`` for the run that confirms, or ``study/variant`` where that variant has a single
    complete run. A run that is published too is taken where it has weights, from its own study first;
    ``published/`` before the study's name means the copy. Of a study that was changed since, the runs of its
    present manifest come before earlier ones. Raises ``UserError`` for none and several.
    """
    if (Path(name) / "run.json").is_file():
        return RunDirectory(Path(name).resolve())
    directories = _all_runs(Path(results))
    found = [one for one in directories if one.run_id == name] or _by_beginning(directories, name)
    if not found and "/" in name:
        found = _by_variant(directories, name)
    found = _one_of_each(found)
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(_described(one) for one in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        shorter = "" if "/" in name else ", or STUDY/VARIANT/SEED"
        raise UserError(f"run: {name!r} may be any of {shown}{more}; give the id of one{shorter}")
    raise UserError(_unknown(name, directories, Path(results)))


def find_seeds(results: Path, name: str) -> list[RunDirectory]:
    """The complete runs that confirm a variant, ``study/variant``, by seed; else the one run of ``name``.

    Raises ``UserError`` as ``find_run`` does.
    """
    found = _one_of_each(_by_variant(_all_runs(Path(results)), name)) if "/" in name else []
    confirming = [one for one in found if one.read().phase is Phase.CONFIRM]
    if len(confirming) < 2:
        return [find_run(results, name)]
    if len({one.read().seed for one in confirming}) < len(confirming):
        raise UserError(
            f"run: {name!r} was confirmed more than once at a seed, as where its rate was tuned anew; "
            f"give the id of one of {', '.join(one.run_id for one in confirming[:_SHOWN])}"
        )
    return sorted(confirming, key=lambda one: one.read().seed)


def find_seed(study: Path, variant: str, seed: int | None = None, *, key: str = "run") -> RunDirectory:
    """The complete run of ``variant`` that confirms, or searches, at ``seed`` in the study's directory.

    Without a seed any complete run of it. Of several those of the present manifest come first, and of these
    one that has weights. Raises ``UserError``, which begins with ``key``, where there is none.
    """
    here = _runs_of([study])
    found = [one for one in here if _is(one, variant, seed)]
    found = found if len(found) < 2 else _of_the_present(found)
    if not found:
        asked = variant if seed is None else f"{variant}/{seed}"
        raise UserError(f"{key}: {_none_of(here, f'{study_title(study)}/{asked}', variant, seed)}")
    return _one_of_each(found)[0]


def readable(directory: RunDirectory) -> RunRecord | None:
    """The run's record; None for a damaged one, which its study lists as a problem: it is nobody's choice."""
    try:
        return directory.read()
    except RecordError:
        return None


def _all_runs(results: Path) -> list[RunDirectory]:
    if not results.is_dir():
        return []
    return _runs_of(list_studies(results))


def _runs_of(studies: list[Path]) -> list[RunDirectory]:
    paths = [path for study in studies for path in sorted((study / "runs").glob("*/run.json"))]
    return [RunDirectory(path.parent) for path in paths if not path.parent.name.startswith(".")]


def _by_beginning(directories: list[RunDirectory], name: str) -> list[RunDirectory]:
    return [one for one in directories if len(name) >= _SHORTEST and one.run_id.startswith(name)]


def _one_of_each(found: list[RunDirectory]) -> list[RunDirectory]:
    """Of a run that lies in several places the first that has weights, or else the first."""
    chosen: dict[str, RunDirectory] = {}
    for one in sorted(found, key=lambda one: not one.weights.exists()):
        chosen.setdefault(one.run_id, one)
    return list(chosen.values())


def _by_variant(directories: list[RunDirectory], name: str) -> list[RunDirectory]:
    chosen, variant = _of_study(directories, name)
    found = [one for one in chosen if _is(one, variant)]
    variant, _, seed = variant.rpartition("/")
    found = found or [one for one in chosen if seed.isdigit() and _is(one, variant, int(seed))]
    return found if len(found) < 2 else _of_the_present(found)


def _of_the_present(found: list[RunDirectory]) -> list[RunDirectory]:
    """Those that the manifests of their studies plan now; all where that says nothing."""
    present = []
    for one in found:
        try:
            manifest = read_manifest(one.path.parent.parent)
        except RecordError:
            return found
        if config_hash(one.read().config) in manifest.planned_hashes:
            present.append(one)
    return present or found


def _of_study(directories: list[RunDirectory], name: str) -> tuple[list[RunDirectory], str]:
    """The runs of the study that ``name`` begins with, and what follows; one's own study before a copy."""
    for title in (_title, lambda one: one.path.parent.parent.name):
        chosen = [one for one in directories if name.startswith(f"{title(one)}/")]
        if chosen:
            return chosen, name.removeprefix(f"{title(chosen[0])}/")
    return [], name.partition("/")[2]


def _title(directory: RunDirectory) -> str:
    return study_title(directory.path.parent.parent)


def _is(directory: RunDirectory, variant: str, seed: int | None = None) -> bool:
    """Whether it is a complete run of the variant; with a seed, the one that confirms, or searches, at it."""
    record = readable(directory)
    if record is None:
        return False
    its_own = record.phase in _ITS_OWN
    wanted = seed is None or (record.seed == seed and its_own)
    return record.variant == variant and record.state is State.COMPLETE and wanted


def _described(directory: RunDirectory) -> str:
    record = readable(directory)
    if record is None:
        return f"{directory.run_id} (its record is damaged)"
    return f"{record.run_id} ({record.phase}, seed {record.seed}, of {record.created})"


def _unknown(name: str, directories: list[RunDirectory], results: Path) -> str:
    if not directories:
        return f"run: {name!r}: there is no run under {results}; run a study, or import a model, first"
    here, rest = _of_study(directories, name)
    if here:
        variant, _, seed = rest.rpartition("/")
        if seed.isdigit() and rest not in _variants(here):
            return f"run: {_none_of(here, name, variant, int(seed))}"
        return f"run: {_none_of(here, name, rest, None)}"
    return (
        f"run: there is no run {name!r} under {results}; the dashboard's Runs page has their ids, and "
        f"study/variant names the run of a variant that has only one"
    )


def _none_of(here: list[RunDirectory], name: str, variant: str, seed: int | None) -> str:
    """Why the runs of a study, ``here``, have none that ``name`` stands for, and what there is."""
    records = [record for record in map(readable, here) if record is not None]
    mine = [one for one in records if one.variant == variant and one.phase in _ITS_OWN]
    if seed is not None and mine:
        state = next((_BECAME.get(one.state, "") for one in mine if one.seed == seed), "")
        known = ", ".join(str(one) for one in sorted({one.seed for one in mine}))
        return f"no complete run of {name!r}{state}; seeds of {variant} are {known}"
    known_variants = _variants(here)
    if variant in known_variants:
        return f"no complete run of {name!r}; finish it with 'workbench run'"
    return f"no complete run of {name!r}; {suggestion(variant, sorted(known_variants))}"


def _variants(here: list[RunDirectory]) -> set[str]:
    """The variants of a study: those that it plans, and those that its runs are of."""
    found = {record.variant for record in map(readable, here) if record is not None}
    if here:
        with suppress(RecordError):
            found |= set(read_manifest(here[0].path.parent.parent).names)
    return found
