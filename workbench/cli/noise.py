"""``workbench noise``: how often the workbench errs, measured on runs whose truth is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.shared import RESULTS, AsJson, Commands, OptionalOut, count, progress_bar
from workbench.cli.studies import (
    Address,
    CpusPerTrial,
    Executor,
    ExecutorName,
    GpusPerTrial,
    Overrides,
    Population,
    ReportFormat,
    RetryFailed,
    Workers,
    typed_command,
)
from workbench.errors import UserError
from workbench.terminal import console, give, say

if TYPE_CHECKING:  # it brings scipy, which --help need not wait for
    from workbench.analysis.calibrating.report import Found

_SIMULATED = "noise-simulated"  # the name of its files
_STUDIES = 20_000


def noise(
    study: Annotated[
        str | None,
        typer.Argument(
            help="A study: its baseline is calibrated. Or a calibration, published or not. Left out: noise, "
            "the one that comes with the workbench."
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            parser=count(8, 1000),
            metavar="N",
            help="Of baseline and null twin. Default: the calibration's own; 128 of a new one.",
        ),
    ] = None,
    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate",
            help="Train nothing: error rates for noise that is skewed, heavy-tailed, unequal, with outliers.",
        ),
    ] = False,
    studies: Annotated[
        int,
        typer.Option(
            "--studies", parser=count(100, 1_000_000), metavar="N", help="Drawn of each design and truth."
        ),
    ] = _STUDIES,
    random_seed: Annotated[
        int,
        typer.Option("--random-seed", parser=count(0), metavar="N", help="Of the studies that are drawn."),
    ] = 0,
    format: Annotated[
        ReportFormat, typer.Option("--format", help="How to print it.")
    ] = ReportFormat.TERMINAL,
    overrides: Overrides = None,
    workers: Workers = None,
    out: OptionalOut = None,
    retry_failed: RetryFailed = False,
    population: Population = "auto",
    executor: Executor = ExecutorName.LOCAL,
    address: Address = None,
    gpus_per_trial: GpusPerTrial = None,
    cpus_per_trial: CpusPerTrial = None,
    as_json: AsJson = False,
) -> None:
    """The workbench's own error rate: train baseline and null twin at many seeds, and resample them.

    Training goes on where it was stopped, and is not repeated. With --simulate --out names the folder to
    write into; without it nothing is written.
    """
    if simulate:
        if study is not None or seeds is not None or overrides:
            raise UserError("--simulate: trains nothing; leave out STUDY, --seeds and --set")
        _simulate(out, studies, random_seed, format, as_json=as_json)
        return
    results = RESULTS if out is None else out
    from workbench.study.calibration_study import find_calibration

    chosen = find_calibration(study, seeds=seeds, overrides=overrides or [], out=results)
    for note in chosen.notes:
        say(f"note: {note}", stderr=True)
    if chosen.file is not None:
        from workbench.driver.executors.machines import Asked
        from workbench.driver.launch import run_study

        finished = run_study(
            chosen.file,
            overrides=list(chosen.overrides),
            workers=workers,
            out=results,
            retry_failed=retry_failed,
            command=typed_command(),
            population=population,
            executor=executor.value,
            asked=Asked(address=address, gpus_per_trial=gpus_per_trial, cpus_per_trial=cpus_per_trial),
            # What a program or a file is to have stands alone on standard output.
            console=console(stderr=as_json or format is not ReportFormat.TERMINAL),
        )
        if not finished:
            raise typer.Exit(130)
    from workbench.analysis.calibrating.evaluation import evaluate

    with progress_bar() as progress:
        found = evaluate(chosen.directory, studies=studies, seed=random_seed, progress=progress)
    _print(found, format, as_json=as_json)
    if chosen.file is not None:
        say(f"kept: {chosen.directory / 'calibration.json'}, calibration.md, calibration.svg", stderr=True)


def _simulate(out: Path | None, studies: int, seed: int, format: ReportFormat, *, as_json: bool) -> None:
    from workbench.analysis.calibrating.calibration import simulate_shapes, to_json
    from workbench.analysis.calibrating.report import render_calibration
    from workbench.files import write_atomically

    with progress_bar() as progress:
        found = simulate_shapes(studies=studies, seed=seed, progress=progress)
    _print(found, format, as_json=as_json)
    if out is not None:
        write_atomically(out / f"{_SIMULATED}.json", to_json(found))
        write_atomically(out / f"{_SIMULATED}.md", str(render_calibration(found, "md")))
        say(f"kept: {out / f'{_SIMULATED}.json'} and {_SIMULATED}.md", stderr=True)


def _print(found: "Found", format: ReportFormat, *, as_json: bool) -> None:
    from workbench.analysis.calibrating.calibration import to_json
    from workbench.analysis.calibrating.report import render_calibration

    if as_json:
        give(to_json(found), end="")
        return
    rendered = render_calibration(found, format.value)
    if isinstance(rendered, str):
        give(rendered)
    else:
        console().print(rendered)


NOISE_COMMANDS: Commands = {"noise": noise}
