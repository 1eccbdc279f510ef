"""``workbench inspect``: the dashboard's views as files, without a browser."""

from collections.abc import Callable
from pathlib import Path

from workbench.analysis.escapes import to_csv
from workbench.analysis.figures import FORMATS, save
from workbench.errors import UserError, suggestion
from workbench.inspection.figures import figure
from workbench.inspection.panels import Result
from workbench.inspection.probes import forget, lacking, measure_missing
from workbench.inspection.scope import Scope
from workbench.inspection.views import View, find_view, views
from workbench.records.find import find_run
from workbench.records.index import PUBLISHED, list_studies, load_study, study_title
from workbench.records.run import RunDirectory

Progress = Callable[[str, float], None]


def inspect_run(
    run: str,
    *,
    against: str | None,
    names: list[str],
    options: dict[str, str],
    results: Path,
    to: Path,
    format: str = "svg",
    progress: Progress = lambda text, part: None,
) -> list[tuple[Result, list[Path]]]:
    """Compute the views ``names`` (every one, if empty) and write figures and numbers into ``to``.

    ``options`` go to the views that have them. Raises ``UserError`` for unknown runs, views and options.
    """
    if format not in FORMATS:
        raise UserError(f"format: unknown {format!r}; {suggestion(format, list(FORMATS))}")
    scope = Scope(find_run(results, run), find_run(results, against) if against else None)
    chosen = [find_view(name) for name in names] or [view for view in views() if not view.available(scope)]
    _check_options(chosen, options)
    tables = list(dict.fromkeys(name for view in chosen for name in view.tables))
    measure_missing(scope.unprobed(tables), tables, progress)
    written = []
    for number, view in enumerate(chosen):
        progress(view.title, number / len(chosen))
        written.append(_write(view, scope, options, Path(to), format))
    return written


def _check_options(chosen: list[View], options: dict[str, str]) -> None:
    known = {option.name for view in chosen for option in view.options}
    for name in options:
        if name not in known:
            raise UserError(f"option: unknown {name!r}; {suggestion(name, sorted(known))}")


def _write(
    view: View, scope: Scope, options: dict[str, str], to: Path, format: str
) -> tuple[Result, list[Path]]:
    own = {option.name for option in view.options}
    result = view.show(scope, {name: value for name, value in options.items() if name in own})
    to.mkdir(parents=True, exist_ok=True)
    paths = [save(figure(result), to / f"{view.name}.{format}")]
    for number, table in enumerate(result.all_tables().values()):
        paths.append(to / f"{view.name}-{number}.csv")
        paths[-1].write_text(to_csv(table, index=False), encoding="utf-8")
    return result, paths


def parse_options(texts: list[str]) -> dict[str, str]:
    """``["layer=2"]`` as a dictionary; raises ``UserError`` for anything else."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UserError(f"--option {text}: expected name=value, for example --option layer=2")
        found[name] = value
    return found


def probe_runs(
    name: str, *, results: Path, again: bool, progress: Progress = lambda text, part: None
) -> list[RunDirectory]:
    """Measure what is lacking (or, ``again``, everything) in a study's runs that have weights, or in one run.

    Gives the runs that were measured. Raises ``UserError`` for a name that is neither.
    """
    runs = _complete_runs(name, results)
    if again:
        for run in runs:
            forget(run)
    wanted = [run for run in runs if lacking(run)]
    measure_missing(wanted, progress=progress)
    return wanted


def _complete_runs(name: str, results: Path) -> list[RunDirectory]:
    studies = {study_title(path): path for path in list_studies(results)} if results.is_dir() else {}
    study = studies.get(name) or studies.get(f"{PUBLISHED}/{name}")
    if study is None:
        return [find_run(results, name)]
    runs = load_study(study).runs
    complete = [RunDirectory(path) for path in runs.loc[runs["state"] == "complete", "path"]]
    found = [run for run in complete if run.weights.exists()]
    if not found:
        raise UserError(f"{name}: no complete run of it has weights; finish it with 'workbench run'")
    return found
