"""``workbench steptimes``: how long a training step of each variant takes, in turn with the baseline's."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.shared import RESULTS, AsJson, Commands, Out, amount, count
from workbench.cli.studies import Overrides, refuse_mistakes_at_once, typed_command
from workbench.errors import UserError
from workbench.terminal import console, give, say


class CellName(StrEnum):
    """Where step times are measured: the names of ``records.cells.CELLS``, which takes a while to import."""

    CPU = "cpu"
    GPU = "gpu"
    GPU_COMPILED = "gpu-compiled"


def steptimes(
    study: Annotated[
        str, typer.Argument(help="A study file or the name of one at hand; with --show one with results.")
    ],
    cell: Annotated[
        CellName,
        typer.Option(
            "--cell",
            help="cpu: in fp32; gpu: in bf16, eager; gpu-compiled: in bf16, compiled.",
            metavar="CELL",
        ),
    ] = CellName.CPU,
    blocks: Annotated[
        int | None,
        typer.Option(
            "--blocks", parser=count(2, 10_000), metavar="N", help="Blocks of each variant. Default: 20."
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            parser=amount(0),
            metavar="S",
            help="Of a block, at least. No card's word rests on blocks below a second. Default: 4.",
        ),
    ] = None,
    only_show: Annotated[
        bool, typer.Option("--show", help="Measure nothing: print what was measured of a study.")
    ] = False,
    overrides: Overrides = None,
    out: Out = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Measure a training step of each variant of a study in turn with the baseline's, and keep the times."""
    from workbench.analysis.step_time_table import step_time_table, step_times_to_json
    from workbench.records.cells import BLOCK_SECONDS, BLOCKS, CELLS
    from workbench.records.step_times import STEP_TIMES, read_step_times

    if only_show:
        from workbench.study.paths import find_results

        folder = find_results(study, out)
    else:
        from workbench.study.schema import find_study_file

        file = find_study_file(Path(study))
        refuse_mistakes_at_once(file, overrides)
        from workbench.study.step_times import measure_study

        folder, _ = measure_study(
            file,
            overrides or [],
            CELLS[cell.value],
            out=out,
            console=console(stderr=True),
            command=typed_command(),
            blocks=blocks or BLOCKS,
            block_seconds=seconds or BLOCK_SECONDS,
        )
    measured = read_step_times(folder)
    if not measured:
        raise UserError(f"{study}: has no {STEP_TIMES}; 'workbench steptimes' with its study file measures")
    if as_json:
        give(json.dumps(step_times_to_json(measured), indent=2))
        return
    from workbench.analysis.report import titled_table

    for part in titled_table(step_time_table(measured)):
        console().print(part)
    for text in dict.fromkeys(doubt for one in measured for doubt in one.doubts):
        say(f"note: {text}")
    say(f"kept in {folder / STEP_TIMES}")


STEP_TIME_COMMANDS: Commands = {"steptimes": steptimes}
