"""From a study file to a running driver: data, plan, manifest, lock, executor, and the report at the end."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from workbench.analysis.answers import baseline_alarm
from workbench.analysis.effects import Report, study_report
from workbench.analysis.report import render
from workbench.analysis.statistics import Verdict
from workbench.data.batches import TokenizedCorpus, prepare
from workbench.data.cache import cache_directory
from workbench.data.corpora import corpus_config
from workbench.data.tokenizers import Tokenizer, learned, parse_tokenizer
from workbench.driver.display import Display
from workbench.driver.executors.local import LocalExecutor, default_slots
from workbench.driver.heartbeat import Heartbeat, sole_driver
from workbench.driver.populations import PopulationSize, chosen_size
from workbench.driver.runner import Runner
from workbench.errors import RecordError, StudyStopped, UserError
from workbench.files import read_yaml, sweep
from workbench.records.index import MANIFEST, StudyRecords, completed_pairs, load_study
from workbench.records.run import State, error_line
from workbench.records.training_outcome import BEFORE_LEARNING, DID_NOT_TRAIN, untrained
from workbench.study.kept_parts import keep_parts
from workbench.study.paths import refuse_published
from workbench.study.plan import Plan, freeze
from workbench.study.schema import StudyFile, find_study_file, load_study_file
from workbench.study.start_from_run import open_start
from workbench.terminal import Terminal
from workbench.terminal import console as terminal
from workbench.training.hardware import default_device
from workbench.training.run_text import keep_tokenizer, kept_tokenizer, remade_tokenizer


def make_plan(path: Path, overrides: list[str], console: Terminal, out: Path) -> Plan:
    """Read, check and resolve a study, preparing its data (cached) on the way.

    A run that it starts from is looked for in ``out``, and so is the tokenizer that the study learned before.
    """
    study = read_study(path, overrides)
    start = open_start(study, out)
    study = start.completed(study) if start else study
    known = None if start else _learned_before(study, out / study.name)
    corpus = prepare(
        study.data.corpus,
        start.tokenizer if start else known or study.data.tokenizer,
        cache_directory(),
        progress=_data_lines(console),
    )
    if known:
        _tell_of_other_text(corpus, out / study.name, console)
    return Plan.build(study, corpus, default_device(), start)


def _data_lines(console: Terminal) -> Callable[[str, float], None]:
    """A line for each stage of preparing the data, and for what is done of a long one, with the time left."""
    first: dict[str, tuple[float, float]] = {}

    def tell(text: str, part: float) -> None:
        now = time.monotonic()
        began, done_before = first.setdefault(text, (now, part))
        done = f" {part:.0%}" if part else ""
        if part > done_before:
            left = (now - began) * (1 - part) / (part - done_before)
            done += f", about {timedelta(seconds=round(left))} left"
        console.print(f"data: {text}{done}", soft_wrap=True)

    return tell


def _learned_before(study: StudyFile, directory: Path) -> Tokenizer | None:
    """The tokenizer that the study in ``directory`` learned, where one of its size and corpus is asked for.

    A text that changed since does not change what the study's tokens mean. Raises ``UserError`` where its
    file is damaged and the text does not give it again.
    """
    data = _manifest_data(directory)
    spec = data.get("tokenizer")
    asked = parse_tokenizer(study.data.tokenizer)
    if not learned(asked) or not learned(spec) or "sha256" not in spec or spec["bpe"] != asked["bpe"]:
        return None
    if data["corpus"] != corpus_config(study.data.corpus).spec():
        return None
    try:
        return kept_tokenizer(directory, spec)
    except UserError as error:
        return remade_tokenizer(directory, data, error)


def _tell_of_other_text(corpus: TokenizedCorpus, directory: Path, console: Terminal) -> None:
    if corpus.fingerprint != _manifest_data(directory).get("fingerprint"):
        console.print(
            f"note: data.corpus: the text changed since {directory.name} was last run; the tokenizer that it "
            "learned then stays, and what was trained on the earlier text is left out",
            soft_wrap=True,
        )


def _manifest_data(directory: Path) -> dict[str, Any]:
    """What the study's manifest says of its data; nothing where there is none that can be read."""
    try:
        data = read_yaml(directory / MANIFEST).get("data")
    except RecordError:
        return {}
    return data if isinstance(data, dict) else {}


def read_study(path: Path, overrides: list[str]) -> StudyFile:
    """The study file, with its directory importable so that a user's own components are found."""
    for folder in import_paths(path):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    return load_study_file(path, overrides)


def import_paths(path: Path) -> list[Path]:
    """Where a study's own components may lie: the present directory and the study file's."""
    return [Path.cwd(), find_study_file(path).resolve().parent]


def run_study(
    path: Path,
    *,
    overrides: list[str],
    workers: int | None,
    out: Path,
    retry_failed: bool,
    command: str,
    population: str = "auto",
) -> bool:
    """Run the study and print its report; False when it was stopped before its end.

    ``population`` is how many trials of a variant train in one program: a number, or "auto".
    """
    refuse_published(out / read_study(path, overrides).name)
    console = terminal()
    plan = make_plan(path, overrides, console, out)
    directory = out / plan.study.name
    size = chosen_size(population, plan, lambda text: console.print(f"note: {text}", soft_wrap=True))
    with sole_driver(directory):
        finished = _drive(plan, directory, path, workers, retry_failed, command, console, size)
    if finished:
        records = load_study(directory)
        report = study_report(records)
        _print_report(report, directory, console)
        _require_a_result(report, records)
    else:
        console.print("stopped; the same command goes on where this one stopped", soft_wrap=True)
    return finished


def _require_a_result(report: Report, records: StudyRecords) -> None:
    """Raise ``StudyStopped`` where no pair has a result: a script must not take such a study for done.

    Nor one whose baseline did not train, though a pair or two may have: it has no verdict.
    """
    runs, name = records.runs, records.path.name
    if report.baseline.fate is Verdict.DID_NOT_TRAIN:
        raise StudyStopped(f"{name}: {baseline_alarm(report)}")
    if completed_pairs(records.manifest, runs):
        return
    states = runs["state"].mask(untrained(runs), DID_NOT_TRAIN)
    counts = ", ".join(f"{count} {state}" for state, count in states.value_counts().items())
    errors = [error_line(error) for error in runs["error"] if isinstance(error, str) and error.strip()]
    reason = f"; for example: {errors[0]}" if errors else ""
    what = "pair of trials" if (states == State.COMPLETE).any() else "trial"
    what += " trained" if (states == DID_NOT_TRAIN).any() else " completed"
    remedy = "Mend the cause; then run the same command with --retry-failed"
    if not (states == State.FAILED).any():
        remedy = "Give smaller learning_rates; then run the same command"
        blown_up = runs["error"][states == State.DIVERGED]
        if len(blown_up) and all(BEFORE_LEARNING in str(error) for error in blown_up):
            remedy = "Mend the part that makes it so; then run the same command"
    raise StudyStopped(f"{name}: no {what} ({counts}){reason}. {remedy}")


def _drive(
    plan: Plan,
    directory: Path,
    path: Path,
    workers: int | None,
    retry_failed: bool,
    command: str,
    console: Terminal,
    population: PopulationSize,
) -> bool:
    sweep(directory)
    if plan.start:
        plan.start.place(directory)
    keep_tokenizer(plan.corpus.tokenizer, directory)
    keep_parts([variant.model for variant in plan.variants], directory)
    for note in freeze(plan.manifest(command), directory):
        console.print(f"note: {note}", soft_wrap=True)
    slots = workers or default_slots(plan.device)
    heartbeat, display = Heartbeat(directory, slots), Display(console, slots)
    executor = LocalExecutor(
        slots,
        device=plan.device,
        threads=plan.study.training.threads,
        logs=directory,
        import_paths=import_paths(path),
    )
    runner = Runner(
        plan,
        directory,
        executor,
        display=display,
        heartbeat=heartbeat,
        retry_failed=retry_failed,
        population=population,
    )
    return _until_done(runner)


def _until_done(runner: Runner) -> bool:
    ending: dict[str, Any] = {"state": "stopped", "message": "stopped"}
    try:
        with _interruptible():
            runner.run()
            ending = {"state": "done", "message": "done"}
    except KeyboardInterrupt:
        runner.display.note("stopping: running trials save a checkpoint (again to stop at once)")
        runner.stop()
    except (StudyStopped, OSError) as error:
        ending["message"] = f"stopped: {error}"
        runner.display.note("stopping: this study cannot go on; running trials save a checkpoint")
        runner.stop()
        raise
    finally:
        runner.executor.kill()
        runner.display.close()
        runner.heartbeat.set(**ending)
    return ending["state"] == "done"


@contextmanager
def _interruptible() -> Iterator[None]:
    """Treat the terminate signal as Ctrl-C, so that a job scheduler's stop is a clean one too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_report(report: Report, directory: Path, console: Terminal) -> None:
    console.print(render(report, "terminal"))
    console.print(f"\nresults: {_relative(directory)}", soft_wrap=True)
    console.print(f"look:    workbench dashboard --out {_relative(directory.parent)}", soft_wrap=True)


def _relative(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
