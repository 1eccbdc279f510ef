"""Goals, formats, files, and a suite in which sections fail."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from workbench.bench import report_files, suite
from workbench.bench.formats import MISSING, Form, shown
from workbench.bench.outcome import Column, Finding, Outcome, Table
from workbench.bench.report import Report, Result
from workbench.bench.section import Effort, Section
from workbench.bench.sections.registry import NAMES, chosen, load
from workbench.bench.terminal_report import render
from workbench.bench.timing import machine
from workbench.bench.timing.goals import Bound, Goal, Verdict, together
from workbench.bench.timing.spread import Spread
from workbench.errors import UserError

FAST = Goal("at least 1", Bound.AT_LEAST, 1.0)
TABLE = Table(
    "Speeds",
    (Column("name", "who"), Column("rate", "tokens/s", Form.COUNT), Column("ratio", "ratio", Form.RATIO)),
    [{"name": "ours", "rate": Spread(12_345.6, 12_000, 13_000, 5), "ratio": None}],
)


def section(name="one", measure=None, seconds=1.0):
    outcome = Outcome(
        tables=[TABLE],
        findings=[
            Finding.judged("It is fast.", FAST, Spread(1.2, 1.1, 1.3, 5)),
            Finding("It is what it is."),
        ],
        notes=["one thing was left out"],
    )
    return Section(
        name=name,
        title=f"Section {name}",
        about="What it means.",
        seconds=dict.fromkeys(Effort, seconds),
        measure=measure or (lambda setting: outcome),
    )


def run(*sections, saved=None):
    report = suite.begin(effort=Effort.QUICK, device="cpu", command="workbench bench --quick")
    suite.run(list(sections), report, lambda text, part: None, (saved or (lambda report: None)))
    return report


@pytest.mark.parametrize(
    ("bound", "low", "high", "verdict"),
    [
        (Bound.AT_LEAST, 1.0, 1.2, Verdict.MET),
        (Bound.AT_LEAST, 0.8, 0.9, Verdict.MISSED),
        (Bound.AT_LEAST, 0.9, 1.1, Verdict.UNDECIDED),
        (Bound.AT_MOST, 0.8, 1.0, Verdict.MET),
        (Bound.AT_MOST, 1.1, 1.2, Verdict.MISSED),
        (Bound.AT_MOST, 0.9, 1.1, Verdict.UNDECIDED),
    ],
)
def test_a_goal_is_judged_by_both_quartiles(bound, low, high, verdict):
    assert Goal("", bound, 1.0).verdict(Spread((low + high) / 2, low, high, 5)) is verdict


def test_several_verdicts_are_as_good_as_the_worst():
    assert together([Verdict.MET, Verdict.MET]) is Verdict.MET
    assert together([Verdict.MET, Verdict.UNDECIDED]) is Verdict.UNDECIDED
    assert together([Verdict.UNDECIDED, Verdict.MISSED, Verdict.MET]) is Verdict.MISSED


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (None, Form.RATIO, MISSING),
        ("nano", Form.TEXT, "nano"),
        (1234.5, Form.COUNT, "1,234"),
        (Spread(0.1304, 0.115, 0.1652, 9), Form.SECONDS, "130 ms (115–165)"),
        (Spread(0.0005, -0.001, 0.002, 9), Form.SECONDS, "0.50 ms (-1.00–2.00)"),
        (Spread(1.5, 1.5, 1.5, 1), Form.SECONDS, "1.50 s"),
        (0.9999, Form.SECONDS, "1.00 s"),
        (Spread(1.018, 0.994, 1.04, 9), Form.RATIO, "1.02× (0.99–1.04)"),
        (0.034, Form.SHARE, "3.4 %"),
        (4096, Form.BYTES, "4.10 kB"),
        (12, Form.BYTES, "12 B"),
    ],
)
def test_numbers_are_written_for_readers(value, form, text):
    assert shown(value, form) == text


def test_a_report_says_what_it_rests_on():
    report = run(section())
    facts = report.to_dict()
    assert facts["machine"]["processor"]
    assert facts["machine"]["cores"] >= 1
    assert facts["machine"]["memory_bytes"] > 1e8
    assert {"python", "torch", "lightning", "optuna"} <= facts["versions"].keys()
    assert facts["command"] == "workbench bench --quick"
    assert "git_commit" in facts
    assert facts["load"]["processor_share"] >= 0
    assert json.loads(json.dumps(facts)) == facts
    markdown = report.markdown()
    for text in (
        "## Section one",
        "| ours | 12,346 (12,000–13,000) | — |",
        "Goal met: at least 1",
        "quartile",
    ):
        assert text in markdown
    console = Console(width=160, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(report))
    printed = console.export_text()
    for text in ("Section one", "12,346 (12,000–13,000)", "[goal met: at least 1]", "one thing was left out"):
        assert text in printed


def test_a_busy_machine_is_a_warning():
    quiet = {"average_1_minute": 0.1, "processor_share": 0.01, "idle": True}
    assert machine.warnings(quiet) == []
    [warning] = machine.warnings({"average_1_minute": 4.2, "processor_share": 0.9, "idle": False})
    assert "4.20" in warning
    assert "90 %" in warning


def test_a_section_that_fails_says_so_and_the_others_go_on():
    def fail(setting):
        raise MemoryError

    report = run(section("first"), section("bad", fail), section("last"))
    first, bad, last = report.to_dict()["sections"]
    assert (first["state"], bad["state"], last["state"]) == ("done", "failed", "done")
    assert bad["error"] == "out of memory"
    assert "Traceback" in bad["notes"][0]
    assert last["tables"][0]["rows"][0]["rate"]["median"] == 12_345.6
    assert "This section failed: out of memory" in report.markdown()


def test_what_is_measured_is_saved_after_each_section():
    def stop(setting):
        raise KeyboardInterrupt

    states = []
    with pytest.raises(KeyboardInterrupt):
        run(section("first"), section("second", stop), saved=lambda report: states.append(report.to_dict()))
    assert [len(state["sections"]) for state in states] == [0, 1]


def test_a_late_section_takes_from_those_after_it(monkeypatch):
    budgets, spent = [], [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: spent[0])

    def slow(setting):
        budgets.append(setting.seconds)
        spent[0] += 25.0
        return Outcome()

    run(*(section(str(number), slow, seconds=20.0) for number in range(3)))
    assert budgets == pytest.approx([20.0, 17.5, 10.0])


def test_sections_get_a_folder_and_progress_of_their_own():
    heard, folders = [], []

    def measure(setting):
        assert not list(setting.folder.iterdir())
        (setting.folder / "mine").touch()
        folders.append(setting.folder)
        setting.progress("half", 0.5)
        return Outcome()

    report = suite.begin(effort=Effort.QUICK, device="cpu", command="")
    sections = [section("a", measure), section("b", measure)]
    suite.run(sections, report, lambda text, part: heard.append((text, part)), lambda report: None)
    assert heard == [("a: half", 0.25), ("b: half", 0.75)]
    assert not any(folder.exists() for folder in folders)


def report_of(name=None):
    report = Report(facts=run(section()).facts, warnings=[])
    if name:
        gpu = {
            "device": "cuda",
            "gpu": name,
            "gpu_memory_bytes": 8e10,
            "gpu_free_bytes": 7e10,
            "cuda": "13.0",
        }
        report.facts = report.facts | {"machine": report.facts["machine"] | gpu}
    report.facts = report.facts | {"date": "2026-11-24T10:00:00+00:00"}
    return report


def test_files_are_named_by_date_machine_and_effort_and_never_replaced(tmp_path):
    report = report_of()
    first = report_files.reserve(tmp_path / "new", report)
    report_files.save(first, report)
    second = report_files.reserve(tmp_path / "new", report)
    assert first.name == "2026-11-24-cpu-quick.json"
    assert second.name == "2026-11-24-cpu-quick-2.json"
    report.results.append(Result(section=section(), outcome=Outcome(), seconds=1.0))
    report_files.save(first, report)
    assert json.loads(first.read_text())["sections"][0]["title"] == "Section one"
    assert "## Section one" in first.with_suffix(".md").read_text()


def test_a_markdown_file_alone_takes_the_name_too(tmp_path):
    (tmp_path / "2026-11-24-cpu-quick.md").write_text("mine")
    assert report_files.reserve(tmp_path, report_of()).name == "2026-11-24-cpu-quick-2.json"


@pytest.mark.parametrize(
    ("gpu", "kind"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-80gb-hbm3"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("NVIDIA H200", "h200"),
    ],
)
def test_a_gpu_is_part_of_the_name(tmp_path, gpu, kind):
    report = report_of(gpu)
    assert report_files.reserve(tmp_path, report).name == f"2026-11-24-{kind}-quick.json"
    assert gpu in report.markdown()
    assert "80.0 GB (70.0 GB free)" in report.markdown()


def test_a_folder_that_cannot_be_written_is_the_users_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--out"):
        report_files.reserve(tmp_path / "file", report_of())


def test_sections_are_chosen_by_name_and_kept_in_order():
    assert chosen([]) == list(NAMES)
    assert chosen(["reading", "levels"]) == ["levels", "reading"]
    with pytest.raises(UserError, match="did you mean 'levels'"):
        chosen(["level"])


@pytest.mark.parametrize("name", NAMES)
def test_every_section_is_at_hand(name):
    found = load(name)
    assert found.name == name
    assert found.about.endswith(".")
    assert set(found.seconds) == set(Effort)


def test_quick_plans_six_minutes_at_most():
    assert sum(load(name).seconds[Effort.QUICK] for name in NAMES) <= 360


def test_findings_without_a_goal_have_no_verdict():
    assert Finding("text").to_dict() == {"text": "text", "goal": None, "verdict": None}
    judged = Finding.judged("text", replace(FAST, limit=5.0), Spread(1.2, 1.1, 1.3, 5))
    assert judged.to_dict() == {"text": "text", "goal": "at least 1", "verdict": "missed"}
