"""``workbench explain``: on a terminal of any width, as JSON, as Markdown, and what it refuses."""

import io
import json

import pytest

from tests.in_process import workbench
from workbench.cli.explain import render_entries, render_sections
from workbench.study.reference.entries import Entry
from workbench.study.reference.keys import LEVELS
from workbench.study.reference.lookup import entries_inside, find_entries, reference
from workbench.study.reference.markdown import to_markdown
from workbench.terminal import Terminal
from workbench.training.config import TrainingConfig


def printed(rendered: object, width: int) -> str:
    output = io.StringIO()
    Terminal(file=output, width=width).print(rendered)
    return output.getvalue()


def test_all_keys_are_listed_in_the_order_of_a_study_file(tmp_path):
    answer = workbench(tmp_path, "explain")
    assert answer.returncode == 0, answer.stderr
    headings = [line.strip() for line in answer.stdout.splitlines() if line[:1].strip()]
    assert headings[:2] == ["the study", "size"]
    assert headings.index("training") < headings.index("seeds") < headings.index("factors")
    assert "rmsnorm, layernorm, dynamic_tanh, none" in answer.stdout


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_lost_on_a_terminal(width):
    text = printed(render_sections(reference()), width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for section in reference():
        for entry in section.entries:
            if entry.kind in ("key", "factor"):
                assert all(word in words for word in (entry.name, *entry.summary.split()))


def test_an_entry_says_type_default_and_example(tmp_path):
    answer = workbench(tmp_path, "explain", "training.betas")
    assert answer.returncode == 0, answer.stderr
    lines = [line.strip() for line in answer.stdout.splitlines()]
    assert lines[0] == "training.betas"
    assert "type      a list of two numbers of at least 0 and below 1" in lines
    assert "left out  the baseline preset's, else [0.9, 0.95]" in lines
    assert "example   betas: [0.9, 0.95]" in lines


def test_a_level_is_explained_with_its_options():
    [level] = find_entries("rope")
    text = printed(render_entries([level], entries_inside(level)), 80)
    assert "needed" not in text
    assert "options\n" in text
    assert "original_context" in text
    assert "arXiv 2104.09864" in text


def test_a_key_of_two_corpora_is_explained_for_both(tmp_path):
    answer = workbench(tmp_path, "explain", "field")
    assert "data.corpus.field (with path)" in answer.stdout
    assert "data.corpus.field (with huggingface)" in answer.stdout


def test_a_key_whose_values_are_levels_is_explained_with_them(tmp_path, monkeypatch):
    field = TrainingConfig.model_fields["precision"]
    monkeypatch.setattr(field, "json_schema_extra", {LEVELS: "workbench.model.parts.component:NORMS"})
    answer = workbench(tmp_path, "explain", "precision")
    assert "a level, or {name: level, option: value}" in answer.stdout
    assert "levels\n" in answer.stdout
    assert "dynamic_tanh" in answer.stdout
    [level] = json.loads(workbench(tmp_path, "explain", "precision.rmsnorm", "--json").stdout)
    assert (level["key"], level["kind"]) == ("training.precision.rmsnorm", "level")
    assert "rmsnorm, layernorm, dynamic_tanh, none" in workbench(tmp_path, "explain").stdout
    assert "### `training.precision`\n" in to_markdown()


def test_for_programs(tmp_path):
    [entry] = json.loads(workbench(tmp_path, "explain", "training.tokens", "--json").stdout)
    assert entry["key"] == "training.tokens"
    assert entry["type"] == "a whole number from 1 to 1e15"
    assert entry["needed"] is True
    assert entry["examples"] == ["1_000_000"]
    sections = json.loads(workbench(tmp_path, "explain", "--json").stdout)
    first = ["", "size", "rungs", "rungs.size", "search", "data"]
    assert [section["key"] for section in sections][: len(first)] == first
    [precision] = [
        one for section in sections for one in section["entries"] if one["key"] == "training.precision"
    ]
    assert precision["choices"] == ["auto", "fp32", "bf16"]
    assert precision["default"] == "auto"
    assert precision["needed"] is False


def test_as_markdown(tmp_path):
    assert workbench(tmp_path, "explain", "--markdown").stdout == to_markdown()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["warmpu"], "did you mean 'warmup'?"),
        (["bias"], "name one of factors.bias, factors.norm.layernorm.bias"),
        (["--markdown", "warmup"], "give it alone"),
        (["--markdown", "--json"], "give it alone"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tmp_path, arguments, message):
    answer = workbench(tmp_path, "explain", *arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    [line] = answer.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_text_is_text():
    odd = Entry(key="a[red]b[/red]", type="[bold]x[/bold]\x1b[2J", about="a :smile: $x$ `code`")
    text = printed(render_entries([odd], []), 80)
    assert "a[red]b[/red]" in text
    assert "[bold]x[/bold]" in text
    assert ":smile:" in text
    assert "\x1b" not in text
