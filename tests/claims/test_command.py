"""``workbench claims``: tables in every form, one card in full, and running the studies that a card needs."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.claims.claim_studies import card, prediction, write_parts
from tests.in_process import workbench
from workbench.driver import launch
from workbench.files import write_yaml

ROOT = Path(__file__).parents[2]
TEXT = "|a| $x$ & [b](c) *d* 100%"
RUNGS = {name: {"size": "nano", "about": TEXT} for name in ("small", "long")}


def write_card(folder, name, *predictions, **changes):
    """A card in ``folder`` whose file has no id of its own."""
    path = folder / "ablations" / "claims" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_yaml(path, card(*predictions, **changes).model_dump(mode="json", exclude={"id"}))
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with two cards, one supported and one of a study that has not run, and the study's results."""
    folder = tmp_path_factory.mktemp("home")
    write_parts(folder / "results")
    write_card(folder, "one", prediction())
    write_card(folder, "two", prediction(study={"small": "parts", "long": "later"}), rungs=RUNGS, title=TEXT)
    return folder


def asked(home, *arguments, code=0):
    answer = workbench(home, "claims", *arguments)
    assert answer.returncode == code, answer.stderr
    return answer.stdout if code == 0 else answer.stderr


def test_the_table_says_of_each_card_its_word_and_why(home):
    lines = asked(home).splitlines()
    assert next(line for line in lines if line.startswith("one ")).split("  ")[0] == "one"
    assert any("supported" in line and "at 1 of 1 rung" in line for line in lines)
    assert any("undecided" in line and "at 1 of 2 rungs" in line for line in lines)


def test_json_has_the_word_the_evidence_and_the_card(home):
    one, two = json.loads(asked(home, "--json"))
    assert (one["card"], one["word"], two["word"]) == ("one", "supported", "undecided")
    (row,) = one["evidence"]
    assert (row["word"], row["pairs"], row["level"]) == ("holds", 10, pytest.approx(0.95))
    assert row["low"] > 0.05
    assert row["facts"]["title"] == "parts"
    assert one["file"]["sources"][0]["number"] == "-0.05 nats"
    assert json.loads(asked(home, "two", "--json")) == two


def test_every_format_shows_texts_as_texts(home):
    table, full = (asked(home, *names, "--format", "md") for names in ((), ("two",)))
    escaped = r"\|a\| \$x\$ & \[b\](c) \*d\* 100%"
    assert escaped in table
    assert full.startswith(f"## {escaped}")
    for text in (asked(home, *names, "--format", "latex") for names in ((), ("two",))):
        assert r"\textbar{}a\textbar{} \$x\$ \& " in text
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") >= 1
    rows = list(csv.DictReader(io.StringIO(asked(home, "two", "--format", "csv"))))
    assert [row["word"] for row in rows] == ["holds", "open"]
    assert [row["word"] for row in csv.DictReader(io.StringIO(asked(home, "--format", "csv")))] == [
        "supported",
        "undecided",
    ]


def test_one_card_in_full_has_the_literature_the_scope_and_what_is_missing(home):
    text = asked(home, "two")
    for wanted in ("Somebody 2020", "derived", "Small ones.", "later has not run", "Testium 9, 2 cores"):
        assert wanted in text
    assert "positions=learned 0.006 interior" in asked(home, "two", "--format", "md")


def test_a_folder_without_cards_says_how_one_is_written(tmp_path):
    (tmp_path / "ablations" / "claims").mkdir(parents=True)
    assert "write one in ablations/claims (docs/claim-file.md says how)" in asked(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["ones"], "ones: no claim card has this id; did you mean 'one'? Known: one, two"),
        (["run"], "run: which card? Name one: workbench claims run ID"),
        (["run", "one", "--json"], "'workbench claims one' does, once it has run"),
        (["run", "one", "--size", "gpu"], "--size: one has no primary rung of the form gpu; it has nano"),
        (["run", "two"], "two: parts, later: no such study file in ablations/claims/studies or ablations"),
        (["one", "two"], "two: one card at a time; 'workbench claims run two'"),
        (["one", "--workers", "2"], "--workers: is for 'workbench claims run ID'; leave it out"),
    ],
)
def test_what_cannot_be_asked_is_one_line_with_the_remedy(home, arguments, wanted):
    answer = asked(home, *arguments, code=2)
    assert wanted in answer
    assert len(answer.splitlines()) == 1


def test_a_mistake_in_a_card_names_its_file(tmp_path):
    file = write_card(tmp_path, "one")
    file.write_text(file.read_text().replace("quantity: loss", "quantity: charm"))
    answer = asked(tmp_path, code=2)
    assert (
        "ablations/claims/one.yaml: predictions.0.quantity: 'charm' is nothing that can be measured" in answer
    )


def test_run_goes_through_the_studies_of_the_primary_rungs_and_leaves_published_ones(tmp_path, monkeypatch):
    rungs = RUNGS | {"old": {"size": "nano", "about": "published", "role": "secondary"}}
    studies = {"small": "parts", "long": "later", "old": "older"}
    write_card(tmp_path, "one", prediction(study=studies), rungs=rungs)
    write_parts(tmp_path / "results" / "published")
    folder = tmp_path / "ablations" / "claims" / "studies"
    folder.mkdir()
    for name in ("parts", "later"):
        (folder / f"{name}.yaml").write_text("question: why?\n")
    ran = []
    monkeypatch.setattr(
        launch, "run_study", lambda path, **options: not ran.append((path, options["workers"]))
    )
    text = asked(tmp_path, "run", "one", "--workers", "2")
    assert ran == [(Path("ablations/claims/studies/later.yaml"), 2)]
    assert "parts: is complete (results/published/parts), and stays as it is" in text
    assert "undecided: it holds at 1 of 2 rungs" in text

    monkeypatch.setattr(launch, "run_study", lambda path, **options: False)
    assert workbench(tmp_path, "claims", "run", "one").returncode == 130  # stopped, to go on later


def test_the_page_of_keys_is_printed_alone(tmp_path):
    answer = workbench(tmp_path, "explain", "--claim-file")
    assert answer.stdout == (ROOT / "docs" / "claim-file.md").read_text()
    assert workbench(tmp_path, "explain", "--claim-file", "--json").returncode == 2
