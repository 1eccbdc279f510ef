"""A ladder's report: words, sentences, tables and figures from records, in every format."""

import csv
import io
import json

import pytest
from rich.console import Console

from tests.analysis.ladder_studies import SEEDS, ladder_manifest, ladder_study
from workbench.analysis.colours import variant_colours
from workbench.analysis.effects import study_report
from workbench.analysis.ladder import LadderWord
from workbench.analysis.ladder_effects import ladder_report
from workbench.analysis.ladder_figure import ladder_plot
from workbench.analysis.ladder_report import ladder_to_json, render_ladder
from workbench.analysis.ladder_sentences import ladder_headline, ladder_sentence
from workbench.analysis.ladder_tables import ladder_table, ladder_tables, rungs_table
from workbench.analysis.statistics import Verdict
from workbench.analysis.study_figures import ladder_figures
from workbench.analysis.verdict_colours import verdict_colour
from workbench.errors import RecordError, UserError
from workbench.files import write_yaml
from workbench.records.index import load_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return ladder_study(tmp_path_factory.mktemp("ladder")).load()


@pytest.fixture(scope="module")
def found(study):
    return ladder_report(study)


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    return ladder_report(ladder_study(tmp_path_factory.mktemp("four"), rungs=4).load())


def rendered(drawn):
    console = Console(width=160, file=io.StringIO(), color_system=None)
    console.print(drawn)
    return console.file.getvalue()


def row_of(found, called):
    return next(row for row in found.rows if row.called == called)


def test_every_change_has_its_word(found):
    words = {row.called: row.word for row in found.rows}
    assert words == {
        "norm=layernorm": LadderWord.HOLDS,
        "feedforward=relu": LadderWord.SHRINKS,
        "positions=learned": LadderWord.FLIPS,
    }
    assert found.state == "complete"
    assert [rung.report.baseline.variant for rung in found.rungs] == [
        f"rung {number}: baseline" for number in (1, 2, 3)
    ]


def test_effects_are_paired_by_seed_within_a_rung(found):
    row = row_of(found, "norm=layernorm")
    assert [one.mean for one in row.effects] == pytest.approx([0.1, 0.104, 0.099])
    assert [one.n for one in row.effects] == [len(SEEDS)] * 3
    assert {one.verdict for one in row.effects} == {Verdict.WORSE}
    assert [one.compute for one in row.effects] == pytest.approx([4e10, 4e11, 4e12])
    comparison = row.rows[0].comparison
    assert row.effects[0].error == pytest.approx(comparison.sd / len(SEEDS) ** 0.5)


def test_a_rungs_report_is_that_of_a_study_of_its_own(study, found):
    """Its words are a family of its rows alone, whatever the other rungs are."""
    alone = study_report(study.compared[1])
    assert alone == found.rungs[1].report
    assert alone.family_size == 3
    assert [row.label for row in alone.rows][:2] == ["baseline", "norm: rmsnorm → layernorm"]
    assert found.rungs[1].report.footer["family_size"] == 3
    assert "for 3 comparisons" in found.footer["test"]
    assert found.footer["test"].endswith("within each rung")


def test_rungs_are_compared_in_how_they_order_variants(found):
    first, second, top = found.rungs
    # At the top learned positions are better than the baseline, which at the first rung they are worse than.
    assert (first.order.same, first.order.pairs) == (4, 6)
    assert (second.order.same, second.order.pairs) == (5, 6)
    assert top.order is None
    low, high = first.order.interval.low, first.order.interval.high
    assert low < 4 / 6 < high


def test_sentences_say_the_word_and_what_it_rests_on(found):
    assert ladder_headline(found) == (
        "3 rungs, 40 GFLOP to 4 TFLOP for a run of the baseline: of 3 changes, 1 holds, 1 shrinks, 1 flips."
    )
    says = {row.called: ladder_sentence(row, found) for row in found.rows}
    assert says["norm=layernorm"].startswith(
        "LayerNorm instead of RMSNorm: holds, worse at every rung: +0.100, +0.104, +0.099 nats/token at "
        "rungs 1 to 3; "
    )
    assert says["feedforward=relu"].startswith("ReLU instead of SwiGLU: shrinks with compute: ")
    assert "-0.080 for ten times the compute (95 % CI " in says["feedforward=relu"]
    assert "flips, worse at rung 1, worse at rung 2, better at rung 3" in says["positions=learned"]


def test_nothing_is_said_beyond_the_top_of_three_rungs(found):
    assert all(row.extrapolation is None for row in found.rows)
    assert any("beyond the top rung" in note for note in found.notes)
    assert len(ladder_tables(found)) == 3


def test_with_four_rungs_the_line_goes_on_beside_its_backtest(four):
    row = row_of(four, "feedforward=relu")
    far = row.extrapolation
    assert far.compute == pytest.approx(4e14)
    assert far.backtest.predicted == pytest.approx(0.06, abs=0.005)
    assert far.backtest.measured == pytest.approx(0.05)
    assert "without the top rung it said" in ladder_sentence(row, four)
    table = ladder_tables(four)[2]
    assert [cells[-1] for cells in table.rows][1] == "yes"
    assert not any("beyond the top rung" in note for note in four.notes)


def test_a_table_has_every_change_at_every_rung(found):
    table = ladder_table(found)
    assert len(table.rows) == 9
    assert [cells[0] for cells in table.rows[:4]] == [
        "norm: rmsnorm → layernorm",
        "",
        "",
        "feedforward: swiglu → relu",
    ]
    assert [cells[-1] for cells in table.rows if cells[-1]] == ["holds", "shrinks", "flips"]
    assert [cells[-2] for cells in table.rows[6:]] == ["worse", "worse", "better"]
    assert [cells[-1].partition(" [")[0] for cells in rungs_table(found).rows] == ["4 of 6", "5 of 6", "—"]


def test_every_format_has_the_ladder_first_and_then_each_rung(found):
    terminal = rendered(render_ladder(found, "terminal"))
    assert terminal.index("holds, worse at every rung") < terminal.index("ladder, rung 1: 1 layer, width 64")
    assert terminal.count("ladder, rung ") == 3
    assert "workbench report ladder --notes" in terminal
    markdown = render_ladder(found, "md")
    assert markdown.index("| change | rung |") < markdown.index("## ladder, rung 1")
    latex = render_ladder(found, "latex")
    labels = [line.strip() for line in latex.splitlines() if "\\label" in line]
    assert len(labels) == len(set(labels)) > 6
    lines = list(csv.DictReader(io.StringIO(render_ladder(found, "csv"))))
    assert len(lines) == 12
    norm = [line for line in lines if line["called"] == "norm=layernorm"]
    assert [line["rung"] for line in norm] == ["1", "2", "3"]
    assert {line["ladder_word"] for line in norm} == {"holds"}
    assert float(norm[0]["per_decade"]) == pytest.approx(row_of(found, "norm=layernorm").trend.per_decade)
    with pytest.raises(UserError, match="'odt' is none of terminal, md, csv, latex"):
        render_ladder(found, "odt")


def test_json_has_all_numbers(four):
    facts = json.loads(json.dumps(ladder_to_json(four)))
    shrinking = next(one for one in facts["ladder"] if one["variant"] == "feedforward=relu")
    assert shrinking["word"] == "shrinks"
    assert len(shrinking["effects"]) == 4
    assert shrinking["trend"]["per_decade"] < 0
    assert shrinking["extrapolation"]["backtest"]["inside"] is True
    assert [rung["ordered_as_top"] and rung["ordered_as_top"]["pairs"] for rung in facts["rungs"]] == [
        6,
        6,
        6,
        None,
    ]
    assert facts["rungs"][0]["report"]["family_size"] == 3


def test_a_rung_that_is_not_done_leaves_the_ladder_without_words(tmp_path):
    found = ladder_report(ladder_study(tmp_path, until=2).load())
    assert {row.word for row in found.rows} == {None}
    assert found.state == "stopped"
    assert found.rows[0].why_not == "rung 3 is not done: 0 of 5 seeds complete"
    assert "no word yet" in ladder_headline(found)
    assert "no word over the ladder, as rung 3 is not done" in ladder_sentence(found.rows[0], found)
    assert len(found.rows[0].effects) == 2
    assert rendered(render_ladder(found, "terminal"))
    assert ladder_plot(found).axes[0].get_title(loc="left").endswith("no word yet")


def test_a_variant_that_did_not_train_at_a_rung_has_no_word(tmp_path):
    found = ladder_report(ladder_study(tmp_path, lost="rung 2: norm=layernorm").load())
    row = row_of(found, "norm=layernorm")
    assert row.word is None
    assert row.why_not == "rung 2: did not train"
    assert row_of(found, "feedforward=relu").word is LadderWord.SHRINKS
    assert ladder_to_json(found)["ladder"][0]["word"] is None


def test_a_panel_has_a_mark_for_each_rung_and_the_trend(study, found, four):
    figure = ladder_plot(found)
    assert len(figure.axes) == 3
    panel = figure.axes[1]
    lines = panel.get_lines()
    dashed = [line for line in lines if line.get_linestyle() == "--"]
    assert len(dashed) == 1
    assert list(dashed[0].get_xdata()) == pytest.approx([4e10, 4e12])
    marks = [line.get_ydata()[0] for line in lines if line.get_marker() == "s"]
    assert marks == pytest.approx([0.30, 0.22, 0.14])
    verdicts = [own.verdict for own in found.rows[1].rows]
    colours = [line.get_color() for line in lines if line.get_marker() == "s"]
    assert colours == [verdict_colour(verdict) for verdict in verdicts]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["40 G", "400 G", "4 T"]
    beyond = ladder_plot(four).axes[1].get_lines()
    assert max(line.get_xdata()[-1] for line in beyond if line.get_linestyle() == "--") == pytest.approx(4e14)


def test_all_figures_of_a_ladder_have_names_of_their_own(study, found):
    names = list(ladder_figures(study, found))
    assert names[0] == "ladder"
    assert {"rung-1-forest", "rung-3-curves", "rung-2-learning_rates"} <= set(names)


def test_a_level_has_one_colour_at_every_rung(study):
    colours = variant_colours(study.manifest)
    assert len({colours[f"rung {number}: feedforward=relu"] for number in (1, 2, 3)}) == 1
    assert len({colours[f"rung {number}: baseline"] for number in (1, 2, 3)}) == 1


def test_a_study_that_is_no_ladder_is_refused(study):
    with pytest.raises(UserError, match="is no ladder"):
        ladder_report(study.compared[0])
    with pytest.raises(UserError, match="each rung is compared by itself"):
        study_report(study)


def test_damaged_rungs_are_named(tmp_path):
    values = ladder_manifest()
    values["rungs"][1]["variants"] = {"another": "baseline"}
    write_yaml(tmp_path / "study.yaml", values)
    with pytest.raises(RecordError, match=r"rungs\.1\.variants: should name variants, got 'another'"):
        ladder_report(load_study(tmp_path))


def test_rungs_of_other_variants_are_damaged(tmp_path):
    values = ladder_manifest()
    values["rungs"][2]["variants"].popitem()
    write_yaml(tmp_path / "study.yaml", values)
    with pytest.raises(RecordError, match=r"rungs\.2\.variants: should be those of the first rung, got base"):
        ladder_report(load_study(tmp_path))
