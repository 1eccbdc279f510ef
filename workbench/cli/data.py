"""``workbench data``: what a corpus and a treatment give, in numbers and examples."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table

from workbench.cli.shared import AsJson, Commands, count, progress_bar, show
from workbench.errors import UserError
from workbench.numbers import byte_size, percent
from workbench.terminal import styled
from workbench.visible import one_line

if TYPE_CHECKING:  # it brings numpy, which --help need not wait for
    from workbench.data.report import CorpusReport, Stage, StageExamples

_WIDTH = 100  # characters of an example, on a terminal
_FEW = 3


def data(
    corpus: Annotated[
        str, typer.Argument(help="A name, a path, or a {key: value} as in a study (see list corpora).")
    ],
    treatment: Annotated[
        str | None,
        typer.Option(help="What is done to the training text: a name, or {name: treatment, option: value}."),
    ] = None,
    examples: Annotated[
        int,
        typer.Option(
            parser=count(0, 20), metavar="N", help="How many examples of each rule are shown, 20 at most."
        ),
    ] = _FEW,
    as_json: AsJson = False,
) -> None:
    """What a corpus and a treatment give: documents and bytes, and what each rule kept and dropped."""
    from workbench.data.cache import cache_directory
    from workbench.data.corpora import corpus_config, treated
    from workbench.data.report import corpus_report
    from workbench.study.overrides import corpus_spec
    from workbench.yaml_text import parse_yaml

    spec = corpus_spec(corpus)
    if treatment is not None:
        try:
            asked = parse_yaml(treatment)
        except ValueError as error:
            raise UserError(f"--treatment: {treatment!r} is no YAML ({error}); give a name") from None
        spec = treated(spec, asked)
    with progress_bar() as progress:
        report = corpus_report(corpus_config(spec), cache_directory(), progress)
    show(report.to_dict(), as_json, lambda facts: render_report(report, examples))


def render_report(report: "CorpusReport", examples: int = _FEW) -> Group:
    """The report for a terminal: a table of sizes, and one of rules for each stage with its examples."""
    sizes = Table(title=one_line(report.description), title_justify="left")
    sizes.add_column("side")
    for heading in ("documents", "bytes"):
        sizes.add_column(heading, justify="right")
    for name, side in (("train", report.train), ("validation", report.validation)):
        sizes.add_row(name, f"{side.documents:,}", byte_size(side.bytes))
    parts: list[RenderableType] = [sizes]
    if report.dropped_duplicates:
        parts.append(styled(f"copies: {report.dropped_duplicates:,} were dropped before the split"))
    if report.sources:
        parts += [styled(""), _sources(report)]
    for source in report.sources:
        for stage, shown in zip(source.stages, source.examples, strict=False):
            parts += _stage(stage, shown, examples, f"{source.name}: ")
    for stage, shown in zip(report.stages, report.examples, strict=False):
        parts += _stage(stage, shown, examples)
    return Group(*parts)


def _sources(report: "CorpusReport") -> Table:
    """What of each corpus is in a mixture, beside what there is of it."""
    table = Table(title="of the mixture's training text", title_justify="left")
    table.add_column("corpus")
    for heading in ("weight", "documents", "bytes", "of available"):
        table.add_column(heading, justify="right")
    for source in report.sources:
        table.add_row(
            styled(one_line(source.name)),
            percent(source.share, 1),
            f"{source.train.documents:,}",
            byte_size(source.train.bytes),
            byte_size(source.available.bytes),
        )
    return table


def _stage(stage: "Stage", shown: "StageExamples", examples: int, whose: str = "") -> list[RenderableType]:
    parts: list[RenderableType] = [styled(""), _rules(stage, whose)]
    if stage.judged_share is not None:
        share = percent(stage.judged_share, 2)
        parts.append(styled(f"{share} of the bytes that are judged on stood in training documents"))
    return parts + _examples(shown, examples)


def _rules(stage: "Stage", whose: str) -> Table:
    """What each rule took of the documents and bytes that came in; what is left is the rest."""
    title = (
        f"{whose}{stage.name}: of {stage.documents:,} documents ({byte_size(stage.bytes)}) "
        f"{stage.documents_left:,} are left ({byte_size(stage.bytes_left)})"
    )
    table = Table(title=one_line(title), title_justify="left")
    table.add_column("rule")
    for heading in ("dropped", "changed", "bytes taken", "of all"):
        table.add_column(heading, justify="right")
    for rule, counts in stage.rules.items():
        table.add_row(
            styled(one_line(rule)),
            f"{counts.dropped:,}",
            f"{counts.changed:,}",
            f"{counts.bytes:,}",
            percent(counts.bytes / stage.bytes, 1),
        )
    return table


def _examples(shown: "StageExamples", number: int) -> list[RenderableType]:
    """So many examples of what was kept, and of what each rule changed and dropped."""
    lines: list[RenderableType] = []
    for kind, examples in (("kept", shown.kept), ("changed", shown.changed), ("dropped", shown.dropped)):
        seen: Counter[str] = Counter()
        for example in examples:
            seen[example.rule] += 1
            if seen[example.rule] > number:
                continue
            rule = f" ({example.rule})" if example.rule else ""
            lines.append(styled(f"{kind}{one_line(rule)}: {_beginning(example.text)}"))
            if example.became is not None:
                lines.append(styled(f"    became: {_beginning(example.became)}"))
    return lines


def _beginning(text: str) -> str:
    shown = one_line(text)
    return shown if len(shown) <= _WIDTH else f"{shown[: _WIDTH - 1]}…"


DATA_COMMANDS: Commands = {"data": data}
