"""How long readers of the dashboard wait: for what the server reads and computes, and in a browser."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.analysis.colours import variant_colours
from workbench.bench.formats import Form, shown
from workbench.bench.in_browser.measure import measure_in_browser
from workbench.bench.outcome import Column, Finding, Outcome, Table
from workbench.bench.section import Effort, Section, Setting
from workbench.bench.studies import FIVE_HUNDRED, tiny_plan, write_finished
from workbench.bench.timing.seconds import Clock, Rounds
from workbench.dashboard.aggregate import Band
from workbench.dashboard.curve_lines import Choice, Study, available_metrics, draw, latest_phase
from workbench.dashboard.study_library import Library, pulse
from workbench.dashboard.tables import run_table, with_live_steps
from workbench.study.plan import freeze
from workbench.training.seconds import seconds_of

COLD, WARM = "first", "again"
POINTS = 2000
_LEAST_ROUNDS, _MOST_ROUNDS = 2, 9
_SERVER_ALONE = 0.15  # of the time


def measure(setting: Setting) -> Outcome:
    """The section."""
    setting.progress("writing a study of 500 runs", 0.0)
    path, runs = write_study(setting)
    first = _part(setting, 0.0, _SERVER_ALONE)
    found = measure_reading(first, path, runs)
    second = _part(setting, _SERVER_ALONE, 1.0)
    seen = measure_in_browser(second, path, second.seconds)
    return Outcome(found.tables + seen.tables, found.findings + seen.findings, found.notes + seen.notes)


def _part(setting: Setting, begin: float, end: float) -> Setting:
    """``setting`` for what is measured between two parts of its time."""
    share = end - begin
    return replace(
        setting,
        seconds=share * setting.seconds,
        progress=lambda text, part: setting.progress(text, begin + share * min(1.0, part)),
    )


def measure_reading(setting: Setting, path: Path, runs: int) -> Outcome:
    """What the server reads and computes for the pages of the study in ``path``."""
    clock = Clock(setting.seconds)
    rounds = Rounds()
    number = 0
    while number < _LEAST_ROUNDS or (clock.left > 0 and number < _MOST_ROUNDS):
        setting.progress("reading it", max(0.3, clock.part))
        reader = Reader(path)
        for when in (COLD, WARM):
            for what, work in reader.steps.items():
                rounds.add(f"{what}, {when}", seconds_of(work, "cpu"))
        number += 1
    table = _table(rounds, list(Reader(path).steps), runs)
    return Outcome(tables=[table], findings=[_finding(rounds)])


def write_study(setting: Setting, points: int = POINTS) -> tuple[Path, int]:
    """A finished study on disk, and how many runs it has."""
    plan = tiny_plan(setting.folder, "cpu", **FIVE_HUNDRED)
    directory = setting.folder / "results" / "bench"
    freeze(plan.manifest("workbench bench"), directory)
    return directory, write_finished(plan, directory, points)


class Reader:
    """What the pages ask for, from a library that has read nothing yet."""

    def __init__(self, path: Path) -> None:
        self._path, self._library = path, Library()
        self.steps: dict[str, Callable[[], Any]] = {
            "records (every page)": self._records,
            "report (Overview, Effects)": self._report,
            "table of runs (Runs)": self._table,
            "validation curves, minus the baseline (Curves)": lambda: self._draw("validation/loss", True),
            "training curves, all points (Curves)": lambda: self._draw("train/loss", False),
            "looking for news (while a study runs)": lambda: pulse(self._records()),
        }

    def _records(self) -> Any:
        return self._library.study(self._path)

    def _report(self) -> Any:
        records = self._records()
        return self._library.report(records, records.manifest.baseline)

    def _metrics(self, run: str) -> Any:
        return self._library.metrics(Path(run))

    def _table(self) -> Any:
        return run_table(with_live_steps(self._records().runs, self._metrics))

    def _draw(self, metric: str, difference: bool) -> Any:
        records, report = self._records(), self._report()
        study = Study(
            baseline=records.manifest.baseline,
            labels={row.variant: row.label for row in report.rows},
            colours=variant_colours(records.manifest),
            read=self._metrics,
            runs=records.runs,
        )
        runs = records.runs[records.runs["phase"] == latest_phase(records.runs)]
        available_metrics(runs, study.read)
        choice = Choice(metric=metric, axis="tokens", difference=difference, band=Band.INTERVAL, first=0.1)
        return draw(study, runs, choice)


def _table(rounds: Rounds, steps: list[str], runs: int) -> Table:
    columns = (
        Column("what", "what a page asks for"),
        Column(COLD, "for the first time", Form.SECONDS),
        Column(WARM, "again", Form.SECONDS),
    )
    rows = [
        {"what": what, **{when: rounds.spread(f"{what}, {when}") for when in (COLD, WARM)}} for what in steps
    ]
    return Table(f"{runs} runs of {POINTS:,} points", columns, rows)


def _finding(rounds: Rounds) -> Finding:
    longest = []
    for when in (COLD, WARM):
        name = max((name for name in rounds.values if name.endswith(when)), key=rounds.median)
        what = name.removesuffix(f", {when}")
        longest.append(f"{what}, {shown(rounds.spread(name), Form.SECONDS)}")
    cold, warm = longest
    return Finding(f"What takes longest for the first time: {cold}; of what was read before: {warm}.")


SECTION = Section(
    name="reading",
    title="The dashboard's reading",
    about=(
        "First what the pages compute before they draw, on a study of 500 finished runs: by a server that "
        "has read nothing yet, and again. The files were written just before, so that they come from memory, "
        "not from the disk. Then what a reader sees, in a browser without a window: from an address, a click "
        "or a key to the last change of the page, on that study and on published ones. A first load has a "
        "server and a browser of its own, both just started; of the very first one no server before it has "
        "kept anything on the disk. Of New study it is the form: what the check says comes later. All else "
        "is measured in turn, on one server."
    ),
    seconds={Effort.QUICK: 200.0, Effort.FULL: 900.0},
    measure=measure,
)
