"""What README says is published is what the published records say."""

import re
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.claims.claim_studies import RELU, card, prediction, write_parts
from workbench.claims.card import card_values
from workbench.cli.main import app
from workbench.errors import UserError
from workbench.files import write_yaml
from workbench.publishing.summary import BEGIN, COMMAND, END, claims_summary, written_into

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PUBLISHED = ROOT / "results" / "published"
_NUMBER = r"[+−-]?\d+\.\d{3}"


def test_readme_has_the_claims_as_the_published_records_have_them():
    assert written_into(README, claims_summary(ROOT / "results"), "README.md") == README, COMMAND


def test_a_row_says_what_a_card_rests_on_and_what_would_decide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_parts(tmp_path / "results" / "published")
    write_parts(tmp_path / "results")  # of this machine alone: nothing is read of it
    asked = {
        "sure": [prediction()],
        "wrong": [prediction(direction="lower")],
        "open": [prediction(), prediction(id="relu-too", variant=RELU, margin=0.2)],
        "later": [prediction(study="absent")],
    }
    for name, those in asked.items():
        values = card_values(card(*those, id=name, title=f"The {name} | one"))
        write_yaml(tmp_path / "ablations" / "claims" / f"{name}.yaml", values)
    summary = claims_summary(tmp_path / "results")
    rows = {re.search(r"claims/(\w+)\.yaml", row)[1]: row for row in summary.splitlines() if "yaml" in row}
    assert set(rows) == set(asked)
    assert re.search(
        r"\*\*supported\*\* \| at 1 of 1 rung \| learned-is-higher: holds, \+0\.2001 \[", rows["sure"]
    )
    assert "(10 pairs) | — |" in rows["sure"]
    assert "The sure \\| one" in rows["sure"]
    assert "**refuted**" in rows["wrong"]
    assert re.search(r"undecided .*relu-too: open, \+0\.200\d* .*relu-too at small: likely", rows["open"])
    assert "nothing yet" in rows["later"]
    assert summary.endswith("(`workbench claims --size gpu`): none is asked.\n")


def test_a_file_without_the_two_comments_is_refused_and_one_that_has_them_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_parts(tmp_path / "results" / "published")
    file = tmp_path / "page.md"
    for text in ("nothing", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"):
        with pytest.raises(UserError, match=r"page\.md: needs the lines"):
            written_into(text, "x\n", "page.md")
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for said in ("written", "is up to date"):
        answer = CliRunner().invoke(app, ["published", "--into", str(file)], catch_exceptions=False)
        assert answer.exit_code == 0
        assert said in answer.output
    written = file.read_text()
    assert written.startswith(f"before\n{BEGIN}\n| claim |")
    assert written.endswith(f".\n{END}\nafter\n")


def _rows() -> list[tuple[str, str, str, str]]:
    """Study, change, difference and verdict of each row of README's table of studies."""
    table = README.partition("| study | change | difference | verdict |")[2].partition("\n\n")[0]
    found, study = [], ""
    for line in table.splitlines()[2:]:
        first, change, difference, verdict = (cell.strip() for cell in line.strip("|").split("|"))
        study = first.split(" ")[0].rstrip(",") or study
        found.append((study, change, difference, verdict))
    return found


ROWS = _rows()


@pytest.mark.parametrize(("study", "change", "difference", "verdict"), ROWS)
def test_every_number_of_readmes_studies_stands_in_its_report(study, change, difference, verdict):
    rows = pd.read_csv(PUBLISHED / study / "report.csv")
    numbers = [one.replace("−", "-") for one in re.findall(_NUMBER, difference)]
    columns = ["difference", "difference_low", "difference_high"]
    if "[" in difference:
        of_rows = [[f"{value:+.3f}" for value in row] for row in rows[columns].to_numpy()]
        words = re.split(r" \(|,", verdict.replace("*", ""))[0]
        same = rows[[own == numbers for own in of_rows]]
        assert len(same) == 1, f"{study}: {change}: {difference}"
        assert same["verdict"].iloc[0] == words
        if pairs := re.search(r"\((\d+) pairs", change):
            assert same["pairs"].iloc[0] == int(pairs[1])
        return
    known = {f"{value:+.3f}" for value in rows["difference"]}  # a ladder's, rung by rung
    assert len(numbers) > 1
    assert set(numbers) <= known


def test_every_published_study_with_a_report_is_in_readme():
    named = {study for study, *_ in ROWS}
    others = {"noise", "search", "tasks"}  # a section of its own, and paragraphs below the table
    claims = {path.name for path in PUBLISHED.glob("claims-*")}  # in the table of claims
    assert {path.name for path in PUBLISHED.iterdir() if path.is_dir()} == named | others | claims
