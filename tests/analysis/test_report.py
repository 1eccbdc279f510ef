"""Every way to print a report holds what it must, also for studies that are not finished."""

import csv
import io
import json

import pytest
from rich.console import Console

from tests.analysis.synthetic_studies import (
    BASELINE_LOSSES,
    Study,
    full_study,
    manifest,
    one_at_a_time,
    shifted,
    variant,
)
from workbench.analysis.effects import study_report
from workbench.analysis.report import escape_latex, render, to_json
from workbench.analysis.report_tables import report_tables, verdict_cell
from workbench.errors import UserError


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return study_report(full_study(tmp_path_factory.mktemp("study")).load())


def printed(report, width=120, **options):
    console = Console(width=width, file=io.StringIO(), **options)
    console.print(render(report, "terminal"))
    return console.file.getvalue()


def test_the_terminal_table_fits_and_wraps_no_row(report):
    lines = printed(report).splitlines()
    assert max(map(len, lines)) <= 120
    (row,) = [line for line in lines if line.startswith("norm: rmsnorm → layernorm")]
    for cell in ("5/5", "3.003 ± 0.018", "+0.0012 [-0.0034, 0.0058]", "+0.04", "2/5", "equivalent"):
        assert cell in row


def test_the_terminal_tells_everything_once(report):
    text = " ".join(printed(report, width=400).split())
    for part in (
        "At this budget (123,456 parameters",
        "Learned positions instead of RoPE: worse",
        "6 trials, 2.4 TFLOP",
        "0.8 MFLOP",
        "Pilot: 3 of 3 baseline runs, sd 0.0200 nats/token (95 % range 0.0104 to 0.1257)",
        "margin: ±0.02 nats/token",
        "verdicts hold jointly for 3 comparisons",
        "confirm 201–205",
        "Python 3.11 standard library, 612 files",
        "hardware: Testium 9, 2 cores",
        "0.47 core hours",
        "torch 2.13, lightning 2.6, optuna 5.0",
        "commit: abc1234",
        "manifest: 3f2a00112233",
        "command: workbench run ablations/synthetic.yaml",
        "precision: fp32",
    ):
        assert part in text


def test_colours_only_on_a_terminal(report):
    assert "\x1b[" not in printed(report)
    coloured = printed(
        report, force_terminal=True, color_system="standard", legacy_windows=False, no_color=False
    )
    for code, word in ((31, "worse"), (34, "equivalent"), (33, "inconclusive")):
        assert f"\x1b[{code}m{word}" in coloured


def test_many_wide_rows_still_fit(tmp_path):
    wide = {
        "positions": "sinusoidal(base=123456)",
        "feedforward": "relu_squared",
        "norm": "layernorm(eps=1e-06)",
    }
    study = Study(
        tmp_path, manifest([variant("baseline"), variant("everything else at once", **wide)])
    ).tune()
    study.confirm("baseline", BASELINE_LOSSES).confirm("everything else at once", [*shifted(0.1)[:4], None])
    text = printed(study_report(study.load()))
    assert max(map(len, text.splitlines())) <= 120
    assert "+0.1000 [" in text or "+0.0998 [" in text


def test_markdown(report):
    text = render(report, "md")
    assert "| norm: rmsnorm → layernorm | 5/5 | 3.003 ± 0.018 | +0.0012 [-0.0034, 0.0058] |" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 3  # verdicts, the differences along the runs, sizes
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "&lt;0.001" in text
    assert "- manifest: 3f2a00112233" in text


def test_markdown_survives_odd_names(tmp_path):
    study = Study(tmp_path, manifest([variant("baseline"), variant("a|b_c", positions="x|y")])).load()
    table = next(b for b in render(study_report(study), "md").split("\n\n") if b.startswith("|"))
    assert "a\\|b\\_c" in table


def test_csv_holds_every_column_with_raw_numbers(report):
    rows = list(csv.DictReader(io.StringIO(render(report, "csv"))))
    assert [row["variant"] for row in rows][:2] == ["baseline", "positions=learned"]
    row = rows[1]
    assert float(row["difference"]) == report.rows[1].difference
    assert float(row["difference_low"]) == report.rows[1].interval.low
    assert (row["verdict"], row["seeds_done"], row["interior"]) == ("worse", "5", "True")
    assert set(row) == set(to_json(report)["rows"][0])
    needed = {"parameters", "flops_per_token", "mismatch", "learning_rate", "tuning_trials", "tuning_flops"}
    needed |= {"diverged", "failed", "mean", "sd", "relative", "wins", "wins_low", "holm_p", "p"}
    assert needed | {"seeds_needed", "detectable_effect", "equivalence_low", "bootstrap_t_low"} <= set(row)


def test_latex(report):
    text = render(report, "latex")
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 3
    assert text.count("{") == text.count("}")
    for part in (
        "\\toprule",
        "\\midrule",
        "\\bottomrule",
        "rope $\\to$ learned",
        "[$-$0.0034, 0.0058]",
        "$<$0.001",
    ):
        assert part in text
    body = [line for line in text.splitlines() if line.rstrip().endswith("\\\\")]
    assert len({line.count(" & ") for line in body[:5]}) == 1
    body_text = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert "±" not in body_text
    assert "→" not in body_text


def test_latex_escapes():
    assert escape_latex("50 % of a_b & #1 {x} ~ ^ \\") == (
        r"50 \% of a\_b \& \#1 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert escape_latex("gpt-2 at -0.5, 1e-06") == "gpt-2 at $-$0.5, 1e-06"


def test_json_is_json(report):
    facts = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert facts["rows"][1]["verdict"] == "worse"
    assert facts["rows"][1]["differences"]["201"] == pytest.approx(0.203)
    assert facts["pilot"]["sd"] == pytest.approx(0.02)
    assert facts["headline"].startswith("At this budget")
    assert len(facts["answers"]) == facts["family_size"] == 3


def test_optional_tables(tmp_path):
    variants = [variant("baseline"), variant("gpt2", 1_600_000, positions="learned", norm="layernorm")]
    study = Study(tmp_path, manifest(variants)).tune().confirm("baseline", BASELINE_LOSSES, curve=True)
    report = study_report(study.confirm("gpt2", shifted(0.2), curve=True).load())
    titles = [table.title for table in report_tables(report)]
    assert any(title.startswith("At equal FLOPs: 400 GFLOP") for title in titles)
    assert "positions: rope → learned, norm: rmsnorm → layernorm" in render(report, "md")
    facts = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert facts["equal_flops"]["rows"][1]["share_of_schedule"] == 0.5
    assert facts["equal_flops"]["rows"][1]["at_the_end_difference"] == pytest.approx(0.2002)


@pytest.mark.parametrize("format", ["terminal", "md", "csv", "latex"])
@pytest.mark.parametrize("stage", ["nothing", "diverged", "one seed"])
def test_partial_studies_print(tmp_path, format, stage):
    study = Study(tmp_path, manifest())
    if stage != "nothing":
        study.tune().confirm("baseline", BASELINE_LOSSES[:1])
        study.confirm("positions=learned", [None if stage == "diverged" else 3.2])
    report = study_report(study.load())
    text = printed(report) if format == "terminal" else render(report, format)
    assert "not started" in text
    assert "nan" not in text
    assert "None" not in text
    json.dumps(to_json(report), allow_nan=False)


def test_cells_say_what_was_lost_what_is_missing_and_what_lies_at_an_edge(tmp_path):
    study = Study(tmp_path, manifest(one_at_a_time()[:2])).tune(variants=["baseline"])
    study.tune(best=0.003, variants=["positions=learned"]).confirm("baseline", BASELINE_LOSSES)
    study.confirm("positions=learned", [3.2, 3.2, None, None], rate=0.003)
    study.run("positions=learned", 205, state="failed", rate=0.003)
    report = study_report(study.load())
    effects, variants = report_tables(report)[:2]
    assert [row[1] for row in effects.rows] == ["5/5", "2/5, 2 diverged, 1 failed"]
    assert [row[variants.headings.index("interior")] for row in variants.rows] == ["yes", "no, at the edge"]
    waiting = study_report(Study(tmp_path / "waiting", manifest(one_at_a_time()[:2])).load())
    assert [verdict_cell(row) for row in waiting.rows] == ["baseline, not started", "not started"]


def test_an_unknown_format_names_the_known(report):
    with pytest.raises(UserError, match="terminal, md, csv, latex"):
        render(report, "html")
