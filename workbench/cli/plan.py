"""``workbench plan``: how many seeds a study's question needs, and what they cost."""

import math
from enum import StrEnum
from typing import Annotated

import typer

from workbench.cli.shared import RESULTS, AsJson, Commands, Out, amount, show
from workbench.cli.studies import Overrides, Workers, refuse_mistakes_at_once


class Answer(StrEnum):
    """What the seeds are to show."""

    DIFFERENT = "different"
    EQUIVALENT = "equivalent"


def plan(
    study: Annotated[
        str, typer.Argument(help="A study file or the name of one at hand; else a study with results.")
    ],
    margin: Annotated[
        float | None,
        typer.Option(parser=amount(0), metavar="M", help="Another margin than the study's, for all."),
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option(
            parser=amount(-math.inf),
            metavar="D",
            help="The true difference, in units of the metric. Left out: none, to be called equivalent.",
        ),
    ] = None,
    verdict: Annotated[
        Answer | None,
        typer.Option(help="What is to be said of it. Default: different where --effect is given."),
    ] = None,
    power: Annotated[
        float,
        typer.Option(parser=amount(0, 1), metavar="P", help="The chance that it is said, for example 0.9."),
    ] = 0.8,
    sd: Annotated[
        float | None,
        typer.Option(
            parser=amount(0),
            metavar="S",
            help="The sd of a paired difference. Default: what finished studies measured.",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(parser=amount(0), metavar="T", help="Say too what so many minutes can decide."),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(
            parser=amount(0, least=True), metavar="P", help="Of an hour of the machine, or of one GPU."
        ),
    ] = None,
    watts: Annotated[
        float | None,
        typer.Option(parser=amount(0, least=True), metavar="W", help="Of the machine, or of one GPU."),
    ] = None,
    overrides: Overrides = None,
    workers: Workers = None,
    out: Out = RESULTS,
    as_json: AsJson = False,
) -> None:
    """How many seeds a question needs, their hours and cost; what a given time decides. Trains nothing."""
    from workbench.study.schema import find_named_file

    file = find_named_file(study)
    if file is not None:
        refuse_mistakes_at_once(file, overrides)
    from workbench.study.seed_plan import Wanted, plan_seeds, render_seed_plan

    wanted = Wanted(
        margin=margin,
        effect=effect,
        verdict=verdict.value if verdict else None,
        power=power,
        sd=sd,
        minutes=minutes,
        price=price,
        watts=watts,
    )
    facts = plan_seeds(study, wanted, overrides=overrides or [], workers=workers, out=out)
    show(facts, as_json, render_seed_plan)


PLAN_COMMANDS: Commands = {"plan": plan}
