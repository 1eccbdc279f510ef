"""``workbench list``: the studies, components, presets and corpora at hand."""

from pathlib import Path

from rich.console import Group
from rich.table import Table

from workbench.errors import UserError
from workbench.records.index import list_studies
from workbench.study.schema import load_study_file, study_files


def catalogue(kinds: list[str], results: Path) -> dict[str, list[dict[str, str]]]:
    """Rows of name and description for each kind asked for."""
    return {kind: _LISTS[kind](results) for kind in kinds}


def _studies(results: Path) -> list[dict[str, str]]:
    done = {path.name for path in list_studies(results)}
    rows = []
    for path in study_files():
        try:
            question = load_study_file(path).question
        except UserError as error:
            question = f"cannot be read: {error}"
        rows.append({"name": str(path), "about": question, "results": "yes" if path.stem in done else "no"})
    return rows


def _components(results: Path) -> list[dict[str, str]]:
    from workbench.model.component import FACTORS

    return [
        {"factor": factor, "name": name, "about": _first_line(registry.get(name))}
        for factor, registry in FACTORS.items()
        for name in registry.names()
    ]


def _presets(results: Path) -> list[dict[str, str]]:
    from workbench.model.presets import preset, preset_names

    rows = []
    for name in preset_names():
        model = preset(name, vocabulary=257, context=256)
        size = f"{model.layers} layers, width {model.width}, {model.heads} heads"
        parts = ", ".join(f"{key} {value}" for key, value in model.labels().items())
        count = f"{model.nonembedding_parameters():,}"
        rows.append({"name": name, "size": size, "non-embedding parameters": count, "about": parts})
    return rows


def _corpora(results: Path) -> list[dict[str, str]]:
    from workbench.data.corpora import list_corpora

    return [{key: str(value) for key, value in row.items()} for row in list_corpora()]


_LISTS = {"studies": _studies, "components": _components, "presets": _presets, "corpora": _corpora}


def _first_line(component: type) -> str:
    text = (component.__doc__ or "").strip() or "no description"
    return text.splitlines()[0].replace("``", "")


def render_catalogue(facts: dict[str, list[dict[str, str]]]) -> Group:
    """The lists for a terminal."""
    tables = []
    for kind, rows in facts.items():
        table = Table(title=kind, title_justify="left")
        for heading in rows[0] if rows else ("name",):
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*row.values())
        tables.append(table)
    return Group(*tables)
