"""Commands for studies: run, check, status, report; and what there is to study, list."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.completion import study_names
from workbench.cli.shared import RESULTS, AsJson, Commands, Out, amount, count, show
from workbench.errors import UserError, printable
from workbench.terminal import console, give

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Replace a key of the study file: --set training.tokens=100000", metavar="KEY=VALUE"
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        parser=count(1, 4096),
        metavar="N",
        help="Trials at once. Default: one per GPU, or per core.",
    ),
]
StudyPath = Annotated[
    Path, typer.Argument(help="A study file, or the name of one at hand (see list studies).")
]
StudyName = Annotated[
    str,
    typer.Argument(help="A study's name, its file, or its results directory.", autocompletion=study_names),
]


class ReportFormat(StrEnum):
    """How a report is printed."""

    TERMINAL = "terminal"
    MARKDOWN = "md"
    CSV = "csv"
    LATEX = "latex"
    HTML = "html"


class Kind(StrEnum):
    """What ``list`` can list."""

    STUDIES = "studies"
    COMPONENTS = "components"
    PRESETS = "presets"
    CORPORA = "corpora"
    VIEWS = "views"
    ARCHIVE = "archive"


class By(StrEnum):
    """By what ``status`` divides the work of a study."""

    NODE = "node"


class ExecutorName(StrEnum):
    """Where trials run: the names of ``driver.executors.registry``, which takes seconds to import."""

    LOCAL = "local"
    RAY = "ray"


RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Run failed trials again; they are kept otherwise.")
]
Population = Annotated[
    str,
    typer.Option(
        "--population",
        metavar="auto|N",
        help="Trials of a variant trained in one program. auto: measured on a GPU, 1 on a CPU.",
    ),
]
Executor = Annotated[
    ExecutorName,
    typer.Option("--executor", help="Where trials run: on this machine, or on a Ray cluster's."),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="auto|HOST:PORT|local",
        help="The Ray cluster. Default: the one that this machine belongs to; local: one of its own.",
    ),
]
GpusPerTrial = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-trial",
        parser=amount(0, least=True),
        metavar="G",
        help="Of a cluster: a trial's part of a GPU, as 0.5. Default: 1 where it has GPUs, else 0.",
    ),
]
CpusPerTrial = Annotated[
    int | None,
    typer.Option(
        "--cpus-per-trial",
        parser=count(1, 4096),
        metavar="N",
        help="Of a cluster: the cores of a trial. Default: training.threads for each of its devices.",
    ),
]


def run(
    study: StudyPath,
    overrides: Overrides = None,
    workers: Workers = None,
    out: Out = RESULTS,
    retry_failed: RetryFailed = False,
    population: Population = "auto",
    executor: Executor = ExecutorName.LOCAL,
    address: Address = None,
    gpus_per_trial: GpusPerTrial = None,
    cpus_per_trial: CpusPerTrial = None,
) -> None:
    """Run a study to its verdict. Ctrl-C or SIGTERM stops it cleanly; the same command goes on after it."""
    refuse_mistakes_at_once(study, overrides)
    from workbench.driver.executors.machines import Asked
    from workbench.driver.launch import run_study

    finished = run_study(
        study,
        overrides=overrides or [],
        workers=workers,
        out=out,
        retry_failed=retry_failed,
        command=typed_command(),
        population=population,
        executor=executor.value,
        asked=Asked(address=address, gpus_per_trial=gpus_per_trial, cpus_per_trial=cpus_per_trial),
    )
    if not finished:
        raise typer.Exit(130)


def check(
    study: StudyPath,
    overrides: Overrides = None,
    workers: Workers = None,
    out: Out = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Show what a study would do: variants, sizes, trials, estimated time. Trains nothing."""
    refuse_mistakes_at_once(study, overrides)
    from workbench.study.check import check_study, render_check

    facts = check_study(study, overrides=overrides or [], workers=workers, out=out)
    show(facts, as_json, render_check)


def status(
    study: Annotated[
        str | None,
        typer.Argument(help="One study; all of them when left out.", autocompletion=study_names),
    ] = None,
    by: Annotated[
        By | None, typer.Option("--by", help="Of one study: what each machine has done of it.")
    ] = None,
    out: Out = RESULTS,
    as_json: AsJson = False,
) -> None:
    """How far the studies are, and what went wrong."""
    if by is By.NODE:
        from workbench.study.node_status import nodes_of, render_nodes

        if study is None:
            raise UserError("--by: is of one study; name it: workbench status STUDY --by node")
        show(nodes_of(study, out), as_json, render_nodes)
        return
    from workbench.study.status import render_status, study_status

    facts = study_status(study, out)
    show(facts, as_json, render_status)


def report(
    study: StudyName,
    format: Annotated[
        ReportFormat,
        typer.Option("--format", help="How to print it. html: a page by itself, with the figures in it."),
    ] = ReportFormat.TERMINAL,
    notes: Annotated[
        bool,
        typer.Option(
            "--notes", help="Print the notes on method too, which a terminal only counts otherwise."
        ),
    ] = False,
    out: Out = RESULTS,
    as_json: AsJson = False,
) -> None:
    """The verdict table of a study, finished or not; of a search its best points, and no verdict."""
    from workbench.analysis.any_report import facts_of, rendered, report_of
    from workbench.records.index import load_study
    from workbench.study.paths import find_results

    records = load_study(find_results(study, out))
    found = report_of(records)
    if as_json:
        give(json.dumps(facts_of(found), indent=2))
        return
    if format is ReportFormat.HTML:
        from workbench.analysis.report_page import report_page

        give(report_page(records, found))
        return
    text = rendered(found, format.value, notes=notes)
    if isinstance(text, str):
        give(text)
    else:
        console().print(text)


def list_things(
    kind: Annotated[Kind | None, typer.Argument(help="What to list; everything when left out.")] = None,
    out: Out = RESULTS,
    as_json: AsJson = False,
) -> None:
    """What there is to work with: studies, components, presets, corpora, views of 'inspect', the archive."""
    from workbench.cli.catalogue import catalogue, render_catalogue

    facts = catalogue([kind.value] if kind else [item.value for item in Kind], out)
    show(facts, as_json, render_catalogue)


def refuse_mistakes_at_once(study: Path, overrides: list[str] | None) -> None:
    """Check the file itself before the seconds that torch takes to load."""
    from workbench.study.schema import load_study_file

    load_study_file(study, overrides, complete=False)


def typed_command() -> str:
    """What was typed, for the manifest."""
    return printable(" ".join(["workbench", *sys.argv[1:]]))


STUDY_COMMANDS: Commands = {
    "run": run,
    "check": check,
    "status": status,
    "report": report,
    "list": list_things,
}
