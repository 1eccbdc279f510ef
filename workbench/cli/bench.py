"""The command that measures the workbench itself: bench."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.shared import AsJson, Commands, progress_bar
from workbench.errors import UserError
from workbench.terminal import console, give, say

BENCHMARKS = Path("results/benchmarks")


class Device(StrEnum):
    """Where to measure."""

    CPU = "cpu"
    CUDA = "cuda"


def bench(
    sections: Annotated[
        list[str] | None,
        typer.Argument(
            help="trials, training, workers, levels, decoding, driver, reading, scaling; all when left out."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes only: 6 minutes on 2 cores.")] = False,
    out: Annotated[
        Path, typer.Option("--out", help="Where the report is kept.", show_default=True)
    ] = BENCHMARKS,
    device: Annotated[
        Device | None, typer.Option("--device", help="Default: a GPU where there is one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how fast the workbench is on this machine, beside plain PyTorch; keeps a report."""
    from workbench.bench.sections.registry import chosen

    names = chosen(sections or [])
    from workbench.bench import report_files, suite
    from workbench.bench.section import Effort
    from workbench.bench.sections.registry import load
    from workbench.bench.terminal_report import render

    report = suite.begin(
        effort=Effort.QUICK if quick else Effort.FULL,
        device=_device(device),
        command=" ".join(["workbench", *sys.argv[1:]]),
    )
    path = report_files.reserve(out, report)
    with progress_bar() as progress:
        progress("loading", 0.0)
        suite.run(
            [load(name) for name in names], report, progress, lambda state: report_files.save(path, state)
        )
    if as_json:
        give(json.dumps(report.to_dict(), indent=2))
    else:
        console().print(render(report))
    say(f"kept: {path} and {path.with_suffix('.md').name}", stderr=True)


def _device(wanted: Device | None) -> str:
    from workbench.training.hardware import default_device

    found = default_device()
    if wanted is Device.CUDA and found != Device.CUDA:
        raise UserError("--device: cuda is asked for and torch finds no usable GPU here; use --device cpu")
    return str(wanted or found)


BENCH_COMMANDS: Commands = {"bench": bench}
