"""``workbench inspect``: the dashboard's views as files, without a browser; ``workbench probe``."""

from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from workbench.analysis.effects import study_report
from workbench.analysis.figure_look import Look, looking
from workbench.analysis.paper_figures import FORMATS, save
from workbench.analysis.text_escapes import to_csv
from workbench.errors import UserError, in_one_line, suggestion
from workbench.file_names import digest_of, file_part, told_apart
from workbench.files import write_atomically
from workbench.inspection.behaviour_columns import read_behaviours
from workbench.inspection.explanation import Explanation, explain
from workbench.inspection.measuring import (
    MeasuredRuns,
    Unmeasured,
    complete_tables,
    lacking,
    measure_missing,
)
from workbench.inspection.panel_figures import figure
from workbench.inspection.panels import Result
from workbench.inspection.scope import Scope
from workbench.inspection.seeds_at_hand import NothingAtHandError
from workbench.inspection.variants_beside import ALL, chosen_beside, first_run, most_different
from workbench.inspection.views import View, find_view, views
from workbench.progress import Progress
from workbench.records.find import find_run
from workbench.records.index import PUBLISHED, StudyRecords, list_studies, load_study, study_title
from workbench.records.run import RunDirectory
from workbench.records.weights_at_hand import require_weights

_LONGEST_NAME = 48  # bytes of each part of a file's name; systems of files take 255 for all
_LONGEST_VALUE = 24
_LONGEST_STEM = 200


@dataclass(frozen=True)
class Inspected:
    """What ``inspect`` did: views written, with their files, and the others with the reason, one line each.

    ``unmeasured``: runs of which not all could be measured that the views read.
    """

    folder: Path
    written: list[tuple[Result, list[Path]]] = field(default_factory=list)
    refused: list[tuple[View, str]] = field(default_factory=list)
    unmeasured: list[Unmeasured] = field(default_factory=list)


def inspect_run(
    run: str,
    *,
    against: str | None,
    beside: list[str],
    names: list[str],
    options: dict[str, str],
    results: Path,
    to: Path,
    format: str = "svg",
    look: Look | None = None,
    progress: Progress = lambda text, part: None,
) -> Inspected:
    """Compute the views ``names`` (every one, if empty); write figures and numbers into ``to``.

    ``run`` may name a study: then the variant that differs most is looked at against the baseline, with all
    others beside them. ``beside`` names variants of the run's study that every series shows too, or ``all``.
    Files are named by the view, the runs and the options given, so that another call leaves them. A view that
    cannot be shown does not keep the others from it. ``look``: the width and letters of figures.
    ``options`` go to the views that have them. Raises ``UserError`` for unknown runs, variants, views and
    options.
    """
    if format not in FORMATS:
        raise UserError(f"format: unknown {format!r}; {suggestion(format, list(FORMATS))}")
    scope = _scope(results, run, against, beside)
    chosen = [find_view(name) for name in names] or views()
    _check_options(chosen, options)
    done = Inspected(Path(to))
    done.unmeasured.extend(measure_for(chosen, scope, progress))
    for number, view in enumerate(chosen):
        progress(view.title, number / len(chosen))
        try:
            with looking(look or Look()):
                done.written.append(_write(view, scope, options, done.folder, format))
        except NothingAtHandError as error:
            done.refused.append((view, in_one_line(_why_unmeasured(view, done.unmeasured) or error, None)))
        except UserError as error:
            done.refused.append((view, in_one_line(error, None)))
    return done


def explain_study(name: str, *, results: Path, to: Path) -> list[tuple[Explanation, Path]]:
    """What moved of each variant of a study against its baseline; every number as a CSV file in ``to``.

    Raises ``UserError`` where there is no such study, or nothing of it is compared.
    """
    study = _study(name, results)
    if study is None:
        raise UserError(f"{name}: no study of this name under {results}; 'workbench list studies' has them")
    records = load_study(study)
    records.require_comparable()
    values = read_behaviours(records.runs)
    baseline = records.manifest.baseline
    found = []
    for number, variant in enumerate(one for one in records.manifest.names if one != baseline):
        told = explain(values, variant, baseline)
        safe = "-".join(file_part(text, _LONGEST_NAME) for text in (study.name, variant))
        path = Path(to) / f"moved-{number}-{safe}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_csv(told.table(), index=False))
        found.append((told, path))
    return found


def _scope(results: Path, run: str, against: str | None, beside: list[str]) -> Scope:
    study = _study(run, results)
    if study is not None and against is None:
        scope = scope_of_study(load_study(study))
        beside = beside or [ALL]
    else:
        scope = Scope(find_run(results, run), find_run(results, against) if against else None)
    return replace(scope, others=chosen_beside(scope.study(), scope, beside)) if beside else scope


def scope_of_study(records: StudyRecords) -> Scope:
    """The variant that differs most against the baseline; the baseline alone where there is no other.

    Raises ``UserError`` for a study that compares nothing, and where no run of it is complete.
    """
    records.require_comparable()
    rows = study_report(records).comparisons
    sizes = {row.variant: abs(row.difference) for row in rows if row.difference is not None and not row.fate}
    baseline = records.manifest.baseline
    first = most_different(records, baseline, None, sizes)
    runs = {name: first_run(records, name) for name in (baseline, first) if name is not None}
    known = [found for found in (runs.get(first or baseline), runs[baseline]) if found is not None]
    if not known:
        raise UserError(f"run: {records.title}: no run of its baseline is complete; name a run of it")
    return Scope(known[0], known[1] if len(set(known)) > 1 else None)


def _check_options(chosen: list[View], options: dict[str, str]) -> None:
    known = {option.name for view in chosen for option in view.options}
    for name in options:
        if name not in known:
            raise UserError(f"option: unknown {name!r}; {suggestion(name, sorted(known))}")


def measure_for(chosen: list[View], scope: Scope, progress: Progress) -> list[Unmeasured]:
    """Measure what the views read that lacks and can be had; returns what could not be measured, and why."""
    wanted = [view for view in chosen if not view.available(scope) and view.measurable(scope)]
    tables = list(dict.fromkeys(name for view in wanted for name in (*view.tables, *view.more_tables)))
    return measure_missing(scope.measurable(tables), tables, progress) if wanted else []


def _write(
    view: View, scope: Scope, options: dict[str, str], folder: Path, format: str
) -> tuple[Result, list[Path]]:
    own = {option.name for option in view.options}
    given = {name: value for name, value in options.items() if name in own}
    result = view.show(scope, given)
    folder.mkdir(parents=True, exist_ok=True)
    stem = file_stem(view, scope, given)
    paths = [save(figure(result), folder / f"{stem}.{format}")]
    for number, table in enumerate(result.all_tables().values()):
        paths.append(folder / f"{stem}-{number}.csv")
        write_atomically(paths[-1], to_csv(table, index=False))
    _forget_tables(folder, stem, len(paths) - 1)
    return result, paths


def file_stem(view: View, scope: Scope, given: dict[str, str]) -> str:
    """``prompt_attention-quickstart-baseline-2001-174d0b3d-layer=1``: safe as a file's name.

    The view, the run, what it is compared with, and the options that were given.
    """
    runs = "-against-".join(_run_name(scope, role) for role in scope.roles)
    if scope.others and view.many:
        runs += f"-beside-{len(scope.others)}-{digest_of(str([one.run_id for one in scope.others]))}"
    options = "".join(f"-{name}={told_apart(value, _LONGEST_VALUE)}" for name, value in sorted(given.items()))
    stem = f"{view.name}-{runs}{options}"
    if len(stem.encode("utf-8")) <= _LONGEST_STEM:
        return stem
    return f"{stem.encode('utf-8')[:_LONGEST_STEM].decode('utf-8', 'ignore')}-{digest_of(stem)}"


def _forget_tables(folder: Path, stem: str, first: int) -> None:
    """Delete what an earlier call of the same name wrote beyond the tables that there are now."""
    for number in count(first):
        path = folder / f"{stem}-{number}.csv"
        if not path.exists():
            return
        path.unlink()


def _run_name(scope: Scope, role: str) -> str:
    """Study, variant, seed and the beginning of the run's id, which tells apart runs that share the rest."""
    record = scope.record(role)
    name = f"{file_part(record.study, _LONGEST_NAME)}-{file_part(record.variant, _LONGEST_NAME)}"
    return f"{name}-{record.seed}-{file_part(record.run_id, 8)}"


def _why_unmeasured(view: View, unmeasured: list[Unmeasured]) -> str:
    """Why a table that the view reads could not be measured; empty if that was not tried."""
    reasons = (one.reason for one in unmeasured if set(one.tables) & set(view.tables))
    return next(reasons, "")


def parse_options(texts: list[str]) -> dict[str, str]:
    """``["layer=2"]`` as a dictionary; raises ``UserError`` for anything else."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UserError(f"--option {text}: expected name=value, for example --option layer=2")
        found[name] = value
    return found


def measure_study_or_run(
    name: str, *, results: Path, again: bool, progress: Progress = lambda text, part: None
) -> MeasuredRuns:
    """Measure what is lacking (or, ``again``, everything) in a study's runs that have weights, or in one run.

    What is measured on published runs goes to the cache. Raises ``UserError`` for a name that is neither, and
    where nothing of what was asked for can be measured.
    """
    study = _study(name, results)
    runs = _complete_runs(name, study) if study else [find_run(results, name)]
    if not study and (again or lacking(runs[0])):
        require_weights(runs[0])
    done = complete_tables(runs, progress, again=again)
    if done.unmeasured and not done.measured:
        raise UserError(done.unmeasured[0].reason)
    if done.weightless and not any(run.weights.exists() for run in runs):
        raise UserError(f"{name}: no complete run of it has weights; finish it with 'workbench run'")
    return done


def _study(name: str, results: Path) -> Path | None:
    studies = {study_title(path): path for path in list_studies(results)} if results.is_dir() else {}
    return studies.get(name) or studies.get(f"{PUBLISHED}/{name}")


def _complete_runs(name: str, study: Path) -> list[RunDirectory]:
    runs = load_study(study).runs
    found = [RunDirectory(path) for path in runs.loc[runs["state"] == "complete", "path"]]
    if not found:
        raise UserError(f"{name}: no run of it is complete; finish it with 'workbench run'")
    return found
