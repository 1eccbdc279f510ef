"""``workbench list``: the studies, components, presets, corpora and views at hand, and the archive."""

from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from workbench.errors import RecordError, UserError
from workbench.records.archive import archived_studies
from workbench.records.index import is_published, list_studies
from workbench.records.manifest import read_manifest
from workbench.records.run import RECORD
from workbench.study.schema import load_study_file, study_files
from workbench.terminal import styled
from workbench.training.config import TrainingConfig

_VALUE = "a value"
# Factors beside a model's parts and options: those of training without levels by name, and sizes.
_VALUED = {
    name: (TrainingConfig.model_fields[name].description or "").partition(". ")[0]
    for name in TrainingConfig.factors()
}
_VALUED["tokenizer"] = "how text becomes tokens: bytes, {bpe: 512}, {file: tokenizer.json}"
_VALUED["corpus"] = "what is trained on: python-stdlib, {path: folder}, … ('workbench list corpora')"
_VALUED["context"] = "tokens in a window; a step has as many tokens for each"
_VALUED["size"] = "layers, width and heads together, {layers: 4, width: 128, heads: 4}: a ladder of sizes"


def catalogue(kinds: list[str], results: Path) -> dict[str, list[dict[str, str]]]:
    """Rows of name and description for each kind asked for."""
    return {kind: _LISTS[kind](results) for kind in kinds}


def _studies(results: Path) -> list[dict[str, str]]:
    # One's own results come first, and are said rather than the published ones.
    done = {path.name: "published" if is_published(path) else "yes" for path in list_studies(results)[::-1]}
    rows = []
    for path in study_files():
        try:
            question = load_study_file(path).question
        except UserError as error:
            question = f"cannot be read: {error}"
        rows.append({"name": str(path), "about": question, "results": done.get(path.stem, "no")})
    return rows


def _components(results: Path) -> list[dict[str, str]]:
    from workbench.data.treatments.registry import TREATMENTS
    from workbench.model.parts.component import FACTORS
    from workbench.study.model_options import OPTION_LEVELS
    from workbench.training.optimizers import OPTIMIZERS
    from workbench.training.schedules import SCHEDULES

    parts = [
        _level(registry.factor, name, _first_line(registry.get(name)), registry.get(name))
        for registry in (*FACTORS.values(), OPTIMIZERS, SCHEDULES)
        for name in registry.names()
    ]
    parts += [
        {
            "factor": "treatment",
            "name": treatment.name,
            "about": _first_line(treatment),
            "formula": treatment.formula,
            "paper": treatment.paper,
            "constraints": "",
        }
        for treatment in TREATMENTS
    ]
    levels = parts + [_level(level.option, level.name, level.about, level) for level in OPTION_LEVELS]
    listed = {row["factor"] for row in levels}
    others = [_valued(factor, about) for factor, about in _VALUED.items() if factor not in listed]
    return [*levels, *others]


def _level(factor: str, name: str, about: str, described: Any) -> dict[str, str]:
    details = {key: getattr(described, key) for key in ("formula", "paper", "constraints")}
    return {"factor": factor, "name": name, "about": about, **details}


def _valued(factor: str, about: str) -> dict[str, str]:
    """A factor whose levels are whatever values its key may have."""
    return {"factor": factor, "name": _VALUE, "about": about, "formula": "", "paper": "", "constraints": ""}


def _presets(results: Path) -> list[dict[str, str]]:
    from workbench.model.presets import preset_names

    return [_preset(name) for name in preset_names()]


def _preset(name: str) -> dict[str, str]:
    from workbench.model.presets import is_published, preset, recipe

    published = is_published(name)
    model = preset(name, **({} if published else {"vocabulary": 257, "context": 256}))
    shared = model.key_value_heads != model.heads
    count = f"{model.num_parameters():,}"
    return {
        "name": name,
        "parameters": count if published else f"{model.nonembedding_parameters():,} + embeddings",
        "layers": str(model.layers),
        "width": str(model.width),
        "heads (kv)": f"{model.heads} ({model.key_value_heads})" if shared else str(model.heads),
        "context": str(model.context) if published else "the study's",
        "source": recipe(name).source,
    }


def _corpora(results: Path) -> list[dict[str, str]]:
    from workbench.data.corpora import list_corpora

    return [{key: str(value) for key, value in row.items()} for row in list_corpora()]


def _views(results: Path) -> list[dict[str, str]]:
    from workbench.inspection.views import views

    return [
        {
            "name": view.name,
            "page": view.page,
            "about": view.question,
            "options": ", ".join(option.name for option in view.options),
        }
        for view in views()
    ]


def _archive(results: Path) -> list[dict[str, str]]:
    rows = []
    for path in archived_studies(results):
        try:
            question = read_manifest(path).question
        except RecordError as error:
            question = f"cannot be read: {error}"
        runs = len(list(path.glob(f"runs/*/{RECORD}")))
        rows.append({"name": path.name, "about": question, "runs": str(runs)})
    return rows


_NUMBERS = ("runs", "parameters", "layers", "width", "heads (kv)", "context")
_LISTS = {
    "studies": _studies,
    "components": _components,
    "presets": _presets,
    "corpora": _corpora,
    "views": _views,
    "archive": _archive,
}


def _first_line(component: type) -> str:
    text = (component.__doc__ or "").strip() or "no description"
    return text.splitlines()[0].replace("``", "")


def render_catalogue(facts: dict[str, list[dict[str, str]]]) -> Group:
    """The lists for a terminal: a table each, and for components one per factor."""
    tables = [_table(title, part) for kind, rows in facts.items() for title, part in _sections(kind, rows)]
    return Group(*tables)


def _sections(kind: str, rows: list[dict[str, str]]) -> list[tuple[str, list[dict[str, str]]]]:
    if kind != "components":
        return [(kind, rows)]
    from workbench.study.model_options import OPTION_LEVELS

    options = {level.option for level in OPTION_LEVELS}
    parts = [row for row in rows if row["factor"] not in options and row["name"] != _VALUE]
    sections = [
        (factor, [{key: text for key, text in row.items() if key != "factor"} for row in group])
        for factor, group in groupby(parts, key=lambda row: row["factor"])
    ]
    return [
        *sections,
        ("options of the model", [row for row in rows if row["factor"] in options]),
        ("training and size", [row for row in rows if row["name"] == _VALUE]),
    ]


def _table(title: str, rows: list[dict[str, str]]) -> Table:
    """A column without any text is left out."""
    table = Table(title=title, title_justify="left")
    headings = [key for key in rows[0] if any(row[key] for row in rows)] if rows else ["name"]
    for heading in headings:
        table.add_column(
            heading,
            overflow="fold",
            justify="right" if heading in _NUMBERS else "left",
            no_wrap=heading in ("name", "factor"),
        )
    for row in rows:
        table.add_row(*(styled(row[heading]) for heading in headings))
    return table
