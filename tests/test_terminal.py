"""What is printed is text: brackets stay, and nothing that a user or a record wrote acts on the terminal."""

import io
import json

import pytest
import yaml
from rich.table import Table
from typer.testing import CliRunner

from tests.in_process import workbench as run_workbench
from workbench.cli.errors import ended
from workbench.cli.main import app
from workbench.driver.display import Display
from workbench.errors import UserError
from workbench.records import RunRecord, State, write_record
from workbench.records.run import config_hash
from workbench.terminal import Terminal, give, say, styled
from workbench.visible import one_line, visible

HOSTILE = "[/data/part-1] [red]x[/red] [enforce fail] :smile: \x1b[2J\x07\r\x9b31m \u202eabc"
SHOWN = r"[/data/part-1] [red]x[/red] [enforce fail] :smile: \x1b[2J\x07\x0d\x9b31m \u202eabc"
ACTING = "\x1b\x07\r\x9b\u202e"


def record(run_id, seed, **outcome):
    facts = {
        "study": "s",
        "variant": HOSTILE,
        "phase": "confirm",
        "hyperparameters": {"learning_rate": 0.1},
        "config": {},
    }
    return RunRecord(run_id=run_id, seed=seed, **facts, **outcome)


def acts(output):
    return [character for character in ACTING if character in output]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HOSTILE, SHOWN),
        ("\x1b]8;;http://evil.example\x1b\\link", r"\x1b]8;;http://evil.example\x1b\link"),
        ("name-\udcff.txt", r"name-\xff.txt"),
        ("a\x00b\x7f\u2028\u2066", r"a\x00b\x7f\u2028\u2066"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("שלום, 日本語, नमस्ते, 👩‍🔬, é, →, ±", "שלום, 日本語, नमस्ते, 👩‍🔬, é, →, ±"),
    ],
)
def test_what_would_act_is_written_out_and_letters_stay(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_a_place_of_one_line_has_one():
    assert one_line("a\r\nb\nc") == "a⏎b⏎c"


def test_every_string_of_a_console_is_text_wherever_it_stands():
    stream = io.StringIO()
    console = Terminal(file=stream, width=400, force_terminal=True, color_system=None)
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    table.add_row(styled(HOSTILE, "red"))
    console.print(table)
    console.print(HOSTILE)
    console.print(HOSTILE, markup=True, emoji=True, highlight=True)
    assert stream.getvalue().count(SHOWN) == 6
    assert not acts(stream.getvalue())


def test_names_in_a_bar_are_text():
    stream = io.StringIO()
    display = Display(Terminal(file=stream, force_terminal=True, width=300, color_system=None), workers=1)
    running = record("r", 1, state=State.RUNNING)
    display.begin({"confirm": 1}, steps=10)
    display.started([running])
    display.close()
    assert f"confirm · {SHOWN} · seed 1" in stream.getvalue()
    assert not {"\x07", "\x9b", "\u202e"} & set(stream.getvalue())
    assert "\x1b[2J" not in stream.getvalue()


def test_results_are_given_to_the_letter_but_on_a_terminal(capsys, monkeypatch):
    give(HOSTILE)
    say(HOSTILE)
    assert capsys.readouterr().out == f"{HOSTILE}\n{SHOWN}\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    give(HOSTILE)
    assert capsys.readouterr().out == f"{SHOWN}\n"


def test_an_error_is_told_as_it_stands(capsys):
    def command():
        raise UserError(f"name: {HOSTILE}")

    assert ended(command) == 2
    assert capsys.readouterr().err == f"error: name: {SHOWN}\n"


@pytest.fixture
def results(tmp_path):
    """A study whose every text is hostile."""
    study = tmp_path / "results" / "s"
    study.mkdir(parents=True)
    variant = {"name": HOSTILE, "levels": {}, "change": {}, "mismatch": None, "config_hash": config_hash({})}
    manifest = {"name": "s", "question": HOSTILE, "variants": [variant], "baseline": HOSTILE}
    manifest |= {"metric": "validation/loss", "margin": 0.1, "command": HOSTILE, "hash": "x"}
    (study / "study.yaml").write_text(yaml.safe_dump(manifest))
    for seed, error in enumerate([f"{HOSTILE}\nand more of it", HOSTILE]):
        write_record(study, record(f"r{seed}", seed, state=State.FAILED, error=error))
    (study / "driver.json").write_text(json.dumps({"state": "stopped", "message": HOSTILE}))
    return tmp_path / "results"


def test_status_and_report_show_what_records_say(results):
    status = CliRunner().invoke(app, ["status", "--out", str(results)])
    assert status.exit_code == 0
    assert status.output.replace("\n", "").count(f"failed: {SHOWN}") == 2  # long lines are wrapped
    assert not acts(status.output)
    report = CliRunner().invoke(app, ["report", "s", "--out", str(results)])
    assert report.exit_code == 0, report.output
    assert f"s: {SHOWN}" in report.output
    assert f"command: {SHOWN}" in report.output
    assert not acts(report.output)


def test_check_and_list_show_the_question_and_the_names_as_they_stand(tmp_path):
    (tmp_path / "[x] text.txt").write_text("".join(f"line {number} of some text\n" for number in range(400)))
    study = {
        "question": f"Is {HOSTILE} better?",
        "size": {"layers": 1, "width": 16, "heads": 2},
        "context": 16,
        "design": "explicit",
        "variants": [{"name": "[/bold] wide", "norm": "layernorm"}],
        "data": {"corpus": {"path": "[x] text.txt"}},
        "training": {"tokens": 640, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 64, "probes": 0},
        "learning_rates": [0.01],
        "seeds": {"confirm": 2},
        "margin": 0.01,
    }
    (tmp_path / "ablations").mkdir()
    (tmp_path / "ablations" / "mine.yaml").write_text(yaml.safe_dump(study))
    shown = run_workbench(tmp_path, "check", "mine")
    assert shown.returncode == 0, shown.stderr
    assert "[/bold] wide" in shown.stdout
    assert "[x] text.txt" in shown.stdout
    assert "[/data/part-1] [red]x[/red]" in shown.stdout
    assert not acts(shown.stdout + shown.stderr)
    listed = run_workbench(tmp_path, "list", "studies")
    assert "[/data/part-1]" in listed.stdout
    assert not acts(listed.stdout)
