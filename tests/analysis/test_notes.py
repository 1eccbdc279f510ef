"""Notes and for whom they are: sorted where they are made, shown or folded away by whoever prints them."""

import copy
import io
import json
import pickle

import numpy as np
import pytest
from rich.console import Console

from tests.analysis.synthetic_studies import (
    BASELINE_LOSSES,
    Study,
    full_study,
    manifest,
    one_at_a_time,
    shifted,
)
from tests.in_process import workbench
from workbench.analysis.budget_trend import BudgetTrend, trend_notes
from workbench.analysis.effects import study_report
from workbench.analysis.notes import Note, NoteKind, method, reading
from workbench.analysis.report import render, to_json
from workbench.analysis.report_tables import effects_table
from workbench.analysis.statistics import Verdict, compare_pairs
from workbench.analysis.text_uncertainty import of_parts, text_notes


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    full_study(folder / "full", name="full")
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Five pairs each; one of LayerNorm's is lost, and the code had uncommitted changes."""
    study = Study(tmp_path_factory.mktemp("lost"), manifest(one_at_a_time()[:3], git_dirty=True)).tune()
    study.confirm("baseline", BASELINE_LOSSES).confirm("positions=learned", shifted(0.2))
    return study_report(study.confirm("norm=layernorm", [*shifted(0.0)[:4], None]).load())


def printed(report, width=400, **options):
    console = Console(width=width, file=io.StringIO())
    console.print(render(report, "terminal", **options))
    return console.file.getvalue()


def test_a_note_is_text_with_a_kind_that_survives_copies():
    note = method("by three seeds").of("norm=layernorm")
    assert (note, note.kind, note.about) == (
        "norm=layernorm: by three seeds",
        NoteKind.METHOD,
        "norm=layernorm",
    )
    for again in (pickle.loads(pickle.dumps(note)), copy.deepcopy(note)):
        assert (again, again.kind, again.about) == (note, note.kind, note.about)
    assert Note("said by nobody in particular").kind is NoteKind.READING


def test_lost_pairs_are_to_be_read_and_uncommitted_code_is_method(report):
    assert any(note.startswith("norm=layernorm: lost pairs") for note in report.reading)
    assert any("uncommitted changes" in note for note in report.method)
    assert set(report.notes) == {*report.reading, *report.method}
    assert {note.about for note in report.notes if note.startswith("norm=layernorm")} == {"norm=layernorm"}


def test_a_terminal_shows_what_changes_the_reading_after_the_verdicts_and_counts_the_rest(report):
    lines = printed(report).splitlines()
    shown = [line for line in lines if line.startswith("note:")]
    assert len(shown) == len(report.reading)
    (counted,) = [line for line in lines if "method note" in line]
    assert counted == f"{len(report.method)} method notes: workbench report {report.study} --notes"
    places = [
        next(i for i, line in enumerate(lines) if part in line) for part in ("change ", "note:", "optimum")
    ]
    assert places == sorted(places)  # verdicts, what changes their reading, what they rest on
    told = printed(report, notes=True).splitlines()
    assert [line for line in told if line.startswith("method:")]
    assert not [line for line in told if "--notes" in line]


def test_markdown_folds_method_away_and_nothing_is_lost(report):
    text = render(report, "md")
    before, folded = text.split("<details>")
    inside, after = folded.split("</details>")
    assert inside.startswith(f"\n<summary>{len(report.method)} method notes</summary>\n\n- method: ")
    assert inside.count("- method: ") == len(report.method)
    assert before.count("- note: ") == len(report.reading)
    assert "- manifest:" in after
    latex = render(report, "latex")
    assert (latex.count("% note: "), latex.count("% method: ")) == (len(report.reading), len(report.method))


def test_json_has_all_notes_with_their_kinds(report):
    notes = json.loads(json.dumps(to_json(report)))["notes"]
    assert [note["text"] for note in notes] == list(report.notes)
    assert {note["kind"] for note in notes} == {"reading", "method"}
    assert {"norm=layernorm", None} <= {note["about"] for note in notes}


def test_the_command_prints_them_when_asked(results):
    folder = results.parent
    told = [
        workbench(folder, "report", "full", "--out", str(results), *more).stdout
        for more in ((), ("--notes",))
    ]
    assert "method notes: workbench report full --notes" in told[0]
    assert "method:" not in told[0]
    assert "method:" in told[1]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_narrow_terminal_leaves_out_columns_and_not_words(report, width):
    text = printed(report, width=width)
    assert max(map(len, text.splitlines())) <= width
    (row,) = [line for line in text.splitlines() if line.startswith("positions: rope → learned")]
    assert row.rstrip().endswith("worse") or "worse " in row
    if width < 120:
        (named,) = [line for line in text.splitlines() if line.startswith("too narrow for: in %")]
        assert "verdict" not in named


def test_columns_without_anything_go_first(report):
    table = effects_table(report)
    without = table.without(["in %", "wins"])
    assert len(without.headings) == len(table.headings) - 2
    assert {len(row) for row in without.rows} == {len(without.headings)}
    assert table.is_empty("seeds\nneeded") == all(row.pairs_needed is None for row in report.rows)


@pytest.mark.parametrize(
    ("verdict", "margin", "kind"),
    [
        (Verdict.WORSE, 0.01, NoteKind.METHOD),  # 0.05 ± 0.013 is beyond it by any text
        (Verdict.WORSE, 0.04, NoteKind.READING),
        (Verdict.EQUIVALENT, 0.06, NoteKind.READING),
        (Verdict.INCONCLUSIVE, 0.04, NoteKind.METHOD),
    ],
)
def test_a_small_text_is_to_be_read_where_the_word_rests_on_it(verdict, margin, kind):
    generator = np.random.default_rng(3)
    losses = 0.05 + generator.normal(0, 0.1, 64) + np.zeros((64, 1))
    losses += 0.05 - losses.mean()
    found = of_parts(losses * 512, np.full(64, 512.0), compare_pairs([0.05, 0.0501] * 32))
    for note in text_notes(found, verdict, margin, "nats/token"):
        assert note.kind is (kind if margin != 0.01 else NoteKind.METHOD)
    assert text_notes(found, verdict, 0.01, "nats/token")


def trend(end, per_doubling):
    slope = per_doubling / np.log(2)
    return BudgetTrend(
        pairs=8,
        at={25: end, 50: end, 75: end, 100: end},
        slope=slope,
        interval=None,
        sign_change=None,
        before=None,
    )


@pytest.mark.parametrize(
    ("verdict", "end", "per_doubling", "kind"),
    [
        (Verdict.WORSE, 0.3, 0.05, NoteKind.METHOD),
        (Verdict.WORSE, 0.06, -0.05, NoteKind.READING),
        (Verdict.BETTER, -0.5, 0.13, NoteKind.METHOD),  # shrinks, and is still better
        (Verdict.EQUIVALENT, 0.0, 0.05, NoteKind.READING),
        (Verdict.AT_MARGIN, 0.02, 0.05, NoteKind.READING),
    ],
)
def test_a_longer_run_is_to_be_read_where_the_word_may_change(verdict, end, per_doubling, kind):
    (note,) = trend_notes(trend(end, per_doubling), verdict, 0.02, "nats/token")
    assert note.startswith("a run twice as long may")
    assert note.kind is kind


def test_both_kinds_are_made_by_name():
    assert (reading("a").kind, method("a").kind) == (NoteKind.READING, NoteKind.METHOD)
