"""A study of a task from its file to its pages: the view of its answers, report, inspect and evaluate."""

import json

import pytest

from tests.in_process import inside, workbench
from workbench.analysis.effects import study_report
from workbench.dashboard.curve_lines import available_metrics, metric_words
from workbench.errors import UserError
from workbench.inspection.panels import Dots, Lines
from workbench.inspection.scope import Scope
from workbench.inspection.views import find_view
from workbench.records.find import find_run
from workbench.records.index import load_study

STUDY = """
question: which positions recall?
size: {layers: 1, width: 16, heads: 2}
context: 16
factors: {positions: [rope, none]}
data:
  corpus: &recall {generated: recall, length: 8, pairs: 2, vocabulary: 12, sequences: 300}
  evaluation:
    recall: *recall
    strings: {generated: copying, longest: 7, symbols: 9}
training: {tokens: 1600, batch_size: 4, evaluations: 2, evaluation_tokens: 640, probes: 0}
learning_rates: [0.01]
seeds: {pilot: 0, tune: 0, confirm: 2}
metric: recall/error
margin: 0.2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("tasks")
    (place / "tasks.yaml").write_text(STUDY)
    done = workbench(place, "run", "tasks.yaml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def scope(folder):
    runs = [find_run(folder / "results", f"tasks/{name}/2001") for name in ("baseline", "positions=none")]
    with inside(folder):
        yield Scope(*runs)


def counted(scope, role, name, table):
    records = load_study(scope.run.path.parent.parent).runs
    mine = records[records["variant"] == scope.record(role).variant]
    return [one[name][table] for one in mine.sort_values("seed")["answers"]]


def test_the_view_shows_what_the_records_counted(scope):
    result = find_view("answers").show(scope, {"set": "strings"})
    along, length, every = result.panels
    assert isinstance(along, Lines)
    assert isinstance(every, Dots)
    assert along.x == "place in the string"
    assert length.x == "tokens of the string"
    assert along.rules[0].at == pytest.approx(1 / 9)
    for panel, table in ((along, "along"), (length, "length")):
        seeds = counted(scope, "run", "strings", table)
        shown = panel.data[panel.data["series"] == "baseline"].set_index("x")["y"]
        for place, x in enumerate(seeds[0]["x"]):
            shares = [one["right"][place] / one["answers"][place] for one in seeds]
            assert shown[x] == pytest.approx(sum(shares) / 2)
    assert set(every.data["category"]) == {"recall", "recall, exact", "strings", "strings, exact"}
    assert any("paired over 2 seeds" in answer for answer in result.answers)
    assert "arXiv 2402.01032" in result.notes[1]


def test_sequences_of_one_length_have_no_panel_of_lengths(scope):
    result = find_view("answers").show(Scope(scope.run))
    assert [panel.title for panel in result.panels] == [
        "Right answers by distance between a key's two places",
        "Every task",
    ]
    with pytest.raises(UserError, match="set: unknown 'prose'"):
        find_view("answers").show(scope, {"set": "prose"})


def test_the_report_has_errors_and_their_unit(folder):
    study = load_study(folder / "results" / "tasks")
    report = study_report(study)
    assert (report.metric, report.unit) == ("recall/error", "errors/answer")
    assert {(row.set, row.unit) for row in report.other_sets} == {("strings", "errors/answer")}
    shown = workbench(folder, "report", "tasks", "--format", "md").stdout
    assert "Other evaluation sets, in errors/answer" in shown
    assert "scored" not in shown
    runs = study.runs
    logged = available_metrics(runs, lambda path: load_metrics(path), "recall/error")
    assert logged[0] == "recall/error"
    assert {"recall/accuracy", "strings/exact_match", "validation/loss"} <= set(logged)
    assert metric_words("recall/accuracy") == ("Right answers of recall", "right/answer", 3)


def load_metrics(path):
    from workbench.records.run import RunDirectory

    return RunDirectory(path).metrics()


def test_inspect_and_evaluate_on_the_command_line(folder):
    run = "tasks/baseline/2001"
    inspected = workbench(folder, "inspect", run, "--view", "answers", "--to", "figures")
    assert inspected.returncode == 0, inspected.stderr
    assert list((folder / "figures").rglob("*.svg"))
    own = json.loads(workbench(folder, "evaluate", run, "--json").stdout)
    record = find_run(folder / "results", run).read()
    for name in ("recall/accuracy", "strings/exact_match", "validation/loss"):
        assert own[name] == pytest.approx(record.summary[name], rel=1e-5)
    other = workbench(
        folder, "evaluate", run, "--corpus", "{generated: induction, length: 12, longest: 5, vocabulary: 10}"
    )
    assert other.returncode == 0, other.stderr
    assert "induction/accuracy" in other.stdout
    assert "chance 0.2" in other.stdout
    refused = workbench(folder, "evaluate", run, "--corpus", "{generated: induction, longest: 5}")
    assert refused.returncode == 2
    assert "longer than the context, 16" in refused.stderr
    spoken = workbench(folder, "generate", run, "1 2 3", "--tokens", "4")
    assert spoken.stdout.startswith("1 2 3")
    refused = workbench(folder, "generate", run, "once upon")
    assert refused.returncode == 2
    assert "'once' is no token" in refused.stderr


def test_a_published_copy_has_its_answers_and_stays_small(folder):
    done = workbench(folder, "publish", "tasks")
    assert done.returncode == 0, done.stderr
    copy = load_study(folder / "results" / "published" / "tasks")
    assert all(isinstance(one, dict) for one in copy.runs["answers"])
    with inside(folder):
        shown = find_view("answers").show(
            Scope(find_run(folder / "results", "published/tasks/baseline/2001"))
        )
    assert len(shown.answers) == 1
