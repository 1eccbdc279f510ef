"""Running sections one after the other: what one of them cannot do never stops the next."""

import gc
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from workbench.bench.outcome import Outcome
from workbench.bench.report import Report, Result
from workbench.bench.section import Effort, Section, Setting
from workbench.bench.timing import machine
from workbench.bench.timing.seconds import Clock, error_line
from workbench.bench.timing.warnings_off import warnings_off
from workbench.progress import Progress
from workbench.records.provenance import git_state
from workbench.records.run import now

_LEAST_SHARE = 0.1  # of its budget, for a section that comes late


def begin(*, effort: Effort, device: str, command: str) -> Report:
    """An empty report: the machine as it is before anything is measured."""
    before = machine.load()
    facts = {
        "date": now(),
        "command": command,
        "effort": str(effort),
        "machine": machine.describe(device),
        "load": before,
        "versions": machine.library_versions(),
        **git_state(),
    }
    return Report(facts=facts, warnings=machine.warnings(before))


def run(sections: list[Section], report: Report, progress: Progress, save: Callable[[Report], None]) -> None:
    """Measure, and ``save`` the report after each section: a stop loses one section at most.

    A section that took longer than its budget takes from the budgets of those after it.
    """
    effort = Effort(report.facts["effort"])
    device = report.facts["machine"]["device"]
    planned = [section.seconds[effort] for section in sections]
    clock = Clock(sum(planned))
    save(report)
    for number, section in enumerate(sections):
        late = max(_LEAST_SHARE, min(1.0, clock.left / sum(planned[number:])))
        part = _part(progress, section, sum(planned[:number]) / sum(planned), planned[number] / sum(planned))
        report.results.append(_measure(section, effort, device, late * planned[number], part))
        save(report)


def _part(progress: Progress, section: Section, before: float, share: float) -> Progress:
    """Progress of one section as progress of all of them."""
    return lambda text, part: progress(f"{section.name}: {text}", round(before + min(1.0, part) * share, 3))


def _measure(section: Section, effort: Effort, device: str, seconds: float, progress: Progress) -> Result:
    began = time.monotonic()
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory(prefix="workbench-bench-") as folder, warnings_off():
        setting = Setting(
            effort=effort, device=device, seconds=seconds, folder=Path(folder), progress=progress
        )
        outcome, error = _outcome(section, setting)
    torch.set_num_threads(threads)
    clear(device)
    return Result(section=section, outcome=outcome, seconds=time.monotonic() - began, error=error)


def _outcome(section: Section, setting: Setting) -> tuple[Outcome, str | None]:
    try:
        return section.measure(setting), None
    except Exception as error:  # whatever it is: the other sections are worth having
        return Outcome(notes=[traceback.format_exc().strip()]), error_line(error)


def clear(device: str) -> None:
    """Give back what the last case held: models, compiled code, the GPU's cached memory."""
    gc.collect()
    torch.compiler.reset()
    if device == "cuda":
        torch.cuda.empty_cache()
