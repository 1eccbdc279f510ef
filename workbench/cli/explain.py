"""``workbench explain``: what the keys of a study file mean, on the terminal, as JSON and as Markdown."""

import json
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from workbench.cli.shared import AsJson, Commands
from workbench.errors import UserError
from workbench.study.reference.entries import Entry, Kind, Section
from workbench.terminal import console, give, styled

_HINT = (
    "'workbench explain KEY' says more: of training.warmup, or warmup where a single key ends so; of a level "
    "(rope); of an option of one (rope.base)."
)
_INSIDE = {Kind.KEY: "keys", Kind.FACTOR: "factors", Kind.LEVEL: "levels", Kind.OPTION: "options"}


def explain(
    key: Annotated[
        str | None,
        typer.Argument(
            help="A key (training.warmup, or warmup), a level (rope), an option of one (rope.base). "
            "Left out: all keys in short."
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the whole reference as docs/study-file.md has it.")
    ] = False,
    claim_file: Annotated[
        bool,
        typer.Option("--claim-file", help="Print the keys of a claim card as docs/claim-file.md has them."),
    ] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema",
            help="Print the keys of a study file as JSON Schema, by which an editor completes them.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What the keys of a study file mean: type, what leaving one out means, an example."""
    if schema:
        if key is not None or markdown or claim_file or as_json:
            raise UserError("--schema: prints one document of JSON; give it alone")
        from workbench.study.reference.json_schema import json_schema

        give(json.dumps(json_schema(), indent=2))
        return
    if claim_file:
        if key is not None or markdown or as_json:
            raise UserError("--claim-file: prints a whole page in Markdown; give it alone")
        from workbench.claims.reference import to_markdown as claim_page

        give(claim_page(), end="")
        return
    if markdown:
        if key is not None or as_json:
            raise UserError("--markdown: prints the whole reference, and no JSON; give it alone")
        from workbench.study.reference.markdown import to_markdown

        give(to_markdown(), end="")
        return
    from workbench.study.reference.lookup import entries_inside, find_entries, reference

    if key is None:
        sections = reference()
        facts = [section.to_dict() for section in sections]
        rendered = render_sections(sections)
    else:
        entries = find_entries(key)
        facts = [entry.to_dict() for entry in entries]
        rendered = render_entries(entries, entries_inside(entries[0]))
    if as_json:
        give(json.dumps(facts, indent=2))
    else:
        console().print(rendered)


def render_sections(sections: list[Section]) -> Group:
    """A line for each key and factor, in the order of a study file, with the names of its levels."""
    levels = {
        section.key: ", ".join(entry.name for entry in section.entries)
        for section in sections
        if section.kind is Kind.LEVEL
    }
    parts: list[RenderableType] = []
    for section in sections:
        if section.kind in (Kind.LEVEL, Kind.OPTION):
            continue  # named behind their key
        rows = []
        for entry in section.entries:
            named = f": {levels[entry.key]}" if entry.key in levels else ""
            rows.append((entry.name, f"{entry.summary}{named}"))
        heading = f"{section.key or 'the study'}{_beside(section)}"
        parts += [styled(heading, "bold"), _grid(rows), styled("")]
    return Group(*parts, styled(_HINT))


def render_entries(entries: list[Entry], inside: list[Entry]) -> Group:
    """All that is said of each, and a line for each that is ``inside``: keys, levels or options."""
    parts: list[RenderableType] = []
    for entry in entries:
        facts = [("type", entry.type), ("left out", entry.when_left_out)]
        facts += [("example", example) for example in entry.written]
        facts += [("formula", entry.formula), ("paper", entry.paper), ("note", entry.note)]
        if parts:
            parts.append(styled(""))
        parts += [styled(f"{entry.key}{_beside(entry)}", "bold"), styled(entry.about), styled("")]
        parts.append(_grid((name, text) for name, text in facts if text))
    if inside:
        rows = [(entry.name, entry.summary) for entry in inside]
        parts += [styled(""), styled(_INSIDE[inside[0].kind], "bold"), _grid(rows)]
    return Group(*parts)


def _beside(one: Entry | Section) -> str:
    return f" (with {one.beside})" if one.beside else ""


def _grid(rows: Iterable[tuple[str, str]]) -> Padding:
    """Two columns; the second is wrapped where the terminal ends."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(styled(name), styled(text))
    return Padding(grid, (0, 0, 0, 2), expand=False)


EXPLAIN_COMMANDS: Commands = {"explain": explain}
