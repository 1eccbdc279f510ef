"""From a study file to a running driver: data, plan, manifest, lock, executor, and the report at the end."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from workbench.analysis.answer_sentences import baseline_alarm
from workbench.analysis.effects import Report, study_report
from workbench.analysis.ladder_effects import ladder_report
from workbench.analysis.ladder_report import render_ladder
from workbench.analysis.report import render
from workbench.analysis.search import searched
from workbench.analysis.search_report import render_search, search_report
from workbench.analysis.statistics import Verdict
from workbench.driver.display import Display
from workbench.driver.executors.machines import NOTHING, Asked
from workbench.driver.executors.registry import find_machines
from workbench.driver.heartbeat import Heartbeat, sole_driver
from workbench.driver.populations import chosen_size
from workbench.driver.runner import Runner
from workbench.driver.search_rounds import forget_unbegun
from workbench.driver.signals import taken_for_ctrl_c
from workbench.errors import StudyStopped
from workbench.files import sweep
from workbench.progress import progress_on
from workbench.records.index import StudyRecords, completed_pairs, load_study
from workbench.records.run import State, error_line
from workbench.records.training_outcome import BEFORE_LEARNING, DID_NOT_TRAIN, untrained
from workbench.study.kept_parts import keep_parts
from workbench.study.kept_reports import keep_reports
from workbench.study.paths import refuse_published
from workbench.study.plan import Plan, freeze
from workbench.study.preparation import make_plan
from workbench.study.schema import import_paths, load_study_file
from workbench.terminal import Terminal
from workbench.terminal import console as terminal
from workbench.training.run_text import keep_tokenizer


@taken_for_ctrl_c()
def run_study(
    path: Path,
    *,
    overrides: list[str],
    workers: int | None,
    out: Path,
    retry_failed: bool,
    command: str,
    population: str = "auto",
    executor: str = "local",
    asked: Asked = NOTHING,
    console: Terminal | None = None,
) -> bool:
    """Run the study and print its report; False when it was stopped before its end.

    ``population`` is how many trials of a variant train in one program: a number, or "auto". ``executor`` is
    the name of one of ``executors.registry``, and ``asked`` what is asked of it where it is a cluster. What
    is said goes to ``console``; left out, to standard output.
    """
    refuse_published(out / load_study_file(path, overrides).name)
    console = terminal() if console is None else console
    with closing(find_machines(executor, asked)) as machines:
        plan = make_plan(path, overrides, console, out, machines.device if machines.elsewhere else None)
        directory = out / plan.study.name

        def note(text: str) -> None:
            console.print(f"note: {text}", soft_wrap=True)

        size = chosen_size(population, plan, note, machines.measure)
        machines.require(plan.study.training.devices)
        with sole_driver(directory):
            _lay_out(plan, directory, command, console)
            training = plan.study.training
            trains_on = machines.executor(
                workers,
                threads=training.threads,
                devices=training.devices,
                logs=directory,
                import_paths=import_paths(path),
            )
            slots = len(trains_on.free_slots())
            runner = Runner(
                plan,
                directory,
                trains_on,
                display=Display(console, slots),
                heartbeat=Heartbeat(directory, slots),
                retry_failed=retry_failed,
                population=size,
            )
            finished = _until_done(runner)
    if finished:
        records = load_study(directory)
        if plan.search is not None:
            _print_report(render_search(search_report(records), "terminal"), directory, console)
            _require_a_point(records)
        elif plan.rungs:
            ladder = ladder_report(records)
            _print_report(render_ladder(ladder, "terminal"), directory, console)
            for rung, compared in zip(ladder.rungs, records.compared, strict=True):
                _require_a_result(rung.report, compared)
        else:
            report = study_report(records)
            _print_report(render(report, "terminal"), directory, console)
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


def _require_a_point(records: StudyRecords) -> None:
    """Raise ``StudyStopped`` where no point of a search has a result."""
    found = searched(records)
    assert found is not None, "the manifest of a search says so"
    if not len(found.complete):
        reasons = [reason for reason in found.trials["reason"] if reason]
        example = f"; for example: {reasons[0]}" if reasons else ""
        raise StudyStopped(
            f"{records.path.name}: no point has a result{example}. Mend the cause; then run the same command "
            "with --retry-failed"
        )


def _lay_out(plan: Plan, directory: Path, command: str, console: Terminal) -> None:
    """Put what all trials read into the study's directory: start weights, tokenizer, parts and manifest.

    And what its texts consist of, for readers.
    """
    sweep(directory)
    if plan.start:
        plan.start.place(directory)
    for variant in plan.variants:
        keep_tokenizer(plan.corpus_of(variant).tokenizer, directory)
    recipes = [variant.recipe for variant in plan.variants]
    if plan.search is not None:
        recipes += [variant.recipe for variant in plan.search.alone]
    keep_parts([recipe.model for recipe in recipes], directory, [recipe.training for recipe in recipes])
    manifest = plan.manifest(command)
    forget_unbegun(directory, manifest)
    for note in freeze(manifest, directory):
        console.print(f"note: {note}", soft_wrap=True)
    corpora = [variant.recipe.data.corpus for variant in plan.variants]
    with progress_on(console, "data") as progress:
        keep_reports(
            directory, corpora, progress, lambda text: console.print(f"note: {text}", soft_wrap=True)
        )


def _until_done(runner: Runner) -> bool:
    ending: dict[str, Any] = {"state": "stopped", "message": "stopped"}
    try:
        runner.run()
        ending = {"state": "done", "message": "done"}
    except KeyboardInterrupt:
        runner.display.note("stopping: running trials save a checkpoint (Ctrl-C again stops at once)")
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


def _print_report(rendered: RenderableType, directory: Path, console: Terminal) -> None:
    console.print(rendered)
    console.print(f"\nresults: {_relative(directory)}", soft_wrap=True)
    console.print(f"look:    workbench dashboard --out {_relative(directory.parent)}", soft_wrap=True)


def _relative(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
