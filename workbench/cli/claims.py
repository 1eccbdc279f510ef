"""``workbench claims``: the cards with their words, one in full, and running what a card needs."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.shared import RESULTS, AsJson, Commands, Out
from workbench.cli.studies import ReportFormat, Workers, typed_command
from workbench.errors import UserError
from workbench.terminal import console, give, say

if TYPE_CHECKING:  # it brings scipy, which --help need not wait for
    from workbench.claims.evidence import Studies


class Form(StrEnum):
    """The form of a card."""

    NANO = "nano"
    GPU = "gpu"


def claims(
    card: Annotated[
        str | None, typer.Argument(help="A card's id; all cards when left out. run: see the next.")
    ] = None,
    of: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="After run: the card whose studies are to run, or to go on."),
    ] = None,
    size: Annotated[
        Form, typer.Option("--size", help="The form: on a CPU (nano) or on one card (gpu).")
    ] = Form.NANO,
    format: Annotated[
        ReportFormat, typer.Option("--format", help="How to print it.")
    ] = ReportFormat.TERMINAL,
    workers: Workers = None,
    out: Out = RESULTS,
    as_json: AsJson = False,
) -> None:
    """What the literature claims, and what the runs at hand say of it: supported, refuted or undecided."""
    from workbench.claims.card import RUN, find_card, load_cards
    from workbench.claims.evidence import Studies
    from workbench.claims.results import card_result, card_results
    from workbench.claims.tables import card_to_json, render_card, render_cards

    if card == RUN:
        if of is None:
            raise UserError(
                f"{RUN}: which card? Name one: workbench claims run ID ('workbench claims' lists them)"
            )
        if as_json or format is not ReportFormat.TERMINAL:
            raise UserError(
                f"{RUN}: prints no table for programs; 'workbench claims {of}' does, once it has run"
            )
        _run(of, size, workers, out)
        return
    if of is not None:
        raise UserError(f"{of}: one card at a time; 'workbench claims run {of}' runs what it needs")
    if workers is not None:
        raise UserError("--workers: is for 'workbench claims run ID'; leave it out")
    if card is None:
        results = card_results(load_cards(), size.value, out)
        rendered = render_cards(results, format.value)
        facts: object = [card_to_json(result) for result in results]
    else:
        result = card_result(find_card(card), size.value, Studies(out))
        rendered, facts = render_card(result, format.value), card_to_json(result)
    if as_json:
        give(json.dumps(facts, indent=2))
    elif isinstance(rendered, str):
        give(rendered)
    else:
        console().print(rendered)


def _run(name: str, size: Form, workers: int | None, out: Path) -> None:
    """Run, or go on with, the studies at the primary rungs of one form, one after the other.

    Of those whose step times are asked for, these are measured; they are not trained unless trials are asked
    for too.
    """
    from workbench.claims.card import find_card, study_file
    from workbench.claims.evidence import Studies
    from workbench.claims.results import card_result
    from workbench.claims.tables import render_card

    card = find_card(name)
    needed = card.studies(size.value, needed=True)
    if not needed:
        sizes = ", ".join(dict.fromkeys(rung.size for rung in card.rungs.values()))
        raise UserError(f"--size: {card.id} has no primary rung of the form {size}; it has {sizes}")
    files = {study: study_file(study) for study in needed}
    missing = [study for study, file in files.items() if file is None]
    if missing:
        raise UserError(
            f"{card.id}: {', '.join(missing)}: no such study file in ablations/claims/studies or ablations; "
            "write it, or correct the card"
        )
    from workbench.driver.launch import run_study

    studies = Studies(out)
    for study, file in files.items():
        assert file is not None
        for cell in card.cells(size.value, study):
            _measure(study, file, cell, studies)
        if not card.needs_trials(size.value, study):
            continue
        if studies.is_published_whole(study):
            say(f"{study}: is complete ({studies.path(study)}), and stays as it is")
            continue
        say(f"{study}: runs now, from {file}")
        finished = run_study(
            file, overrides=[], workers=workers, out=out, retry_failed=False, command=typed_command()
        )
        if not finished:
            raise typer.Exit(130)
    result = card_result(card, size.value, Studies(out))
    console().print(render_card(result, "terminal"))


def _measure(study: str, file: Path, name: str, studies: "Studies") -> None:
    """Measure the step times of a study in the cell ``name``, unless sound ones are there."""
    from workbench.records.cells import CELLS
    from workbench.study.step_times import measure_study

    cell = CELLS[name]
    if studies.has_step_times(study, cell):
        say(f"{study}: step times on {cell.words} are there ({studies.path(study)}), and stay as they are")
        return
    say(f"{study}: step times on {cell.words} are measured now, from {file}")
    measure_study(file, [], cell, out=studies.results, console=console(), command=typed_command())


CLAIMS_COMMANDS: Commands = {"claims": claims}
