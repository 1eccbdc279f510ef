"""How commands end that cannot do their work: one line with the path and the remedy, exit code 2."""

import errno
import gzip
import io
import os
import shutil
import sys

import pytest
import yaml

from tests.in_process import workbench
from workbench.cli import main, models
from workbench.cli.errors import ended
from workbench.errors import UserError, in_one_line, printable
from workbench.files import read_yaml

LONG = "x" * 5000
STUDY = {
    "question": "q?",
    "size": {"layers": 1, "width": 16, "heads": 2},
    "context": 16,
    "factors": {"norm": ["rmsnorm", "layernorm"]},
    "data": {"corpus": {"path": "text.txt"}},
    "training": {"tokens": 640, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 64, "probes": 0},
    "learning_rates": [0.01],
    "seeds": {"confirm": 1},
    "margin": 0.01,
}


def test_errors_can_be_printed_whatever_they_repeat():
    assert printable("caf\u00e9 \udce9 \ud800") == "caf\u00e9 \\xe9 \\ud800"
    assert str(UserError("caf\udce9.txt")) == "caf\\xe9.txt"
    assert in_one_line(ValueError("a\n\x1b[31mb\0")) == "a [31mb"
    assert len(in_one_line("x" * 9999)) < 300


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (UserError("name: no"), ["error: name: no"]),
        (OSError(errno.ENOSPC, "No space left on device", "out/run.json"), ["out/run.json", "make room"]),
        (OSError(errno.ENOSPC, "No space left on device"), ["disk is full", "make room"]),
        (PermissionError(errno.EACCES, "Permission denied", "out"), ["out: ", "--out"]),
        (OSError(errno.EROFS, "Read-only file system", "out"), ["out: ", "--out"]),
        (OSError(errno.ENAMETOOLONG, "File name too long", LONG), ["xxx…", "shorter"]),
        (FileExistsError(errno.EEXIST, "File exists", b"out"), ["out: ", "a file stands where"]),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), ["memory", "batch_size"]),
        (OSError("something of a library"), ["something of a library", "check the path"]),
        (MemoryError(), ["memory ran out", "batch_size"]),
        (RecursionError(), ["nested too deeply"]),
        (OverflowError("too large"), ["too large"]),
        (UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "surrogates not allowed"), ["\\udcff", "UTF-8"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_user_or_machine_have_to_mend_is_one_line(error, parts, capsys):
    assert ended(raising(error)) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert all(part in message for part in parts), message
    assert message.count("\n") == 1
    assert len(message) < 300


@pytest.mark.parametrize(("end", "status"), [(None, 0), (0, 0), (130, 130), (2, 2), ("text", 1)])
def test_a_commands_own_exit_status_stays(end, status):
    assert ended(raising(SystemExit(end))) == status


def test_a_mistake_in_the_code_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        ended(lambda: 1 / 0)


class _Full(io.StringIO):
    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_what_cannot_be_printed_for_a_full_disk_is_said(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", _Full())
    assert ended(raising(SystemExit(0))) == 2
    assert "disk is full" in capsys.readouterr().err


def test_a_reader_that_went_away_is_sent_nothing(monkeypatch, capfd):
    reading, writing = os.pipe()
    os.close(reading)
    with monkeypatch.context() as patch, open(writing, "w") as output:
        patch.setattr(sys, "stdout", output)
        assert ended(lambda: print("x" * 100_000)) == 141
    assert capfd.readouterr().err == ""


def test_what_the_terminal_cannot_print_is_shown_by_its_number(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(main, "ended", lambda command: print("caf\u00e9 \udce9") or 0)
    with pytest.raises(SystemExit):
        main.main()
    terminal.flush()
    assert terminal.buffer.getvalue() == b"caf\\xe9 \\udce9\n"


def test_a_closed_standard_output_is_no_fault(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(main, "app", lambda: print("to nobody"))
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 0


def test_an_error_in_the_middle_of_a_text_has_a_line_of_its_own(monkeypatch, capsys, tmp_path):
    def pieces(*_, **__):
        yield "a"
        raise UserError("no more")

    monkeypatch.setattr("workbench.trained.generate.generate_text", pieces)
    monkeypatch.setattr("workbench.records.find.find_run", lambda out, run: run)
    assert ended(lambda: models.generate("run", "text: ", out=tmp_path)) == 2
    assert capsys.readouterr() == ("text: a\n", "error: no more\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    (folder / "text.txt").write_text("".join(f"line {number} of some text\n" for number in range(400)))
    (folder / "file").write_text("a file, no folder")
    (folder / "s.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["run", "s.yaml", "--out", "file"], ["file/s: ", "a file stands where a folder is needed"]),
        (["run", "s.yaml", "--out", "file/below"], ["file/below/s: ", "a file stands"]),
        (["run", "s.yaml", "--out", "/proc"], ["/proc/s: ", "check the path"]),
        (["run", "s.yaml", "--out", "x" * 300], ["too long", "shorter"]),
        (["status", "--out", "file"], ["file: is a file", "another --out"]),
        (["list", "studies", "--out", "file"], ["file: is a file", "another --out"]),
        (["check", "s.yaml", "--set", "name=_a"], ["'_a' names a folder", "name: a'"]),
        (
            ["check", "s.yaml", "--set", "factors.positions=[rope, {name: rope, base: '1:30'}]"],
            ["rope.base: 1:30 is no number here", "without colons"],
        ),
        (["check", "s.yaml", "--set", "question=caf\udce9"], ["caf\\xe9", "not UTF-8"]),
        (["check", "s\udce9.yaml"], ["s\\xe9.yaml: the file is missing"]),
        (["evaluate", "run", "--corpus", "caf\udce9.txt"], ["run: 'run'"]),
        (["evaluate", "run", "--corpus", " "], ["--corpus: is empty"]),
        (["check", "/dev/zero"], ["/dev/zero: has more bytes than"]),
        (["status", LONG], ["too long", "shorter"]),
        (["report", LONG], ["too long", "shorter"]),
        (["inspect", LONG], ["too long", "shorter"]),
        (["import", LONG], ["too long", "shorter"]),
        (["check", LONG], ["too long", "shorter"]),
        (["check", "."], [".: cannot be read as YAML", "check the path"]),
        (["run", "s.yaml", "--population", "\u0663"], ["--population: '\u0663'", "for example 16"]),
        (["run", "s.yaml", "--population", "9" * 5000], ["--population: ", "for example 16"]),
        (["dashboard", "--port", "-1"], ["--port -1", "from 1 to 65535"]),
        (["dashboard", "--port", "99999"], ["--port 99999", "from 1 to 65535"]),
        (["dashboard", "--port", "0"], ["--port 0", "from 1 to 65535"]),
        (
            ["check", "s.yaml", "--set", "factors.norm=[rmsnorm, off]"],
            ["norm: false names no level", "quotes"],
        ),
        (
            ["check", "s.yaml", "--set", "factors.norm=[rmsnorm, 'workbench.model.parts.norms:Norm']"],
            ["norm: workbench.model.parts.norms:Norm", "define forward"],
        ),
        (
            ["check", "s.yaml", "--set", "size={layers: 512, width: 131072, heads: 2}"],
            ["baseline: ", "parameters", "GB", "lower size"],
        ),
        (
            ["check", "s.yaml", "--set", "training.batch_size=1e7", "--set", "training.evaluations=1"],
            ["baseline: ", "batch_size 10,000,000", "GB", "lower training.batch_size"],
        ),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_commands_end_in_one_line_and_leave_nothing(place, arguments, parts):
    before = sorted(place.iterdir())
    answer = workbench(place, *arguments)
    assert answer.returncode == 2
    message = answer.stderr.splitlines()[-1]
    assert message.startswith("error: ")
    assert all(part in message for part in parts), message
    left = {path.name for path in place.iterdir()} - {path.name for path in before}
    assert left <= {"cache"}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (gzip.compress(b'{"text": "one"}\n' * 99, mtime=0)[:-20], "rows.jsonl.gz is damaged or cut short"),
        (gzip.compress(b'{"text": "one"}\n{oops', mtime=0), "rows.jsonl.gz, line 2 is not JSON"),
    ],
    ids=["packing", "row"],
)
def test_damaged_rows_end_each_command_in_one_line(place, content, part):
    (place / "rows.jsonl.gz").write_bytes(content)
    (place / "d.yaml").write_text(yaml.safe_dump(STUDY | {"data": {"corpus": {"path": "rows.jsonl.gz"}}}))
    for command in ("check", "run"):
        answer = workbench(place, command, "d.yaml")
        assert answer.returncode == 2
        assert answer.stderr.splitlines()[-1].startswith(f"error: data.corpus.path: {part}")
        assert not (place / "results" / "d").exists()


def test_names_and_arguments_that_are_not_utf8_can_be_recorded(place):
    """The command stands in the manifest, and files of a folder have the names that they have."""
    folder = place / "names"
    folder.mkdir()
    try:
        (folder / os.fsdecode(b"caf\xe9.txt")).write_text("an old name\n" * 99)
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    (folder / "b.txt").write_text("a new name\n" * 99)
    shutil.copy(place / "s.yaml", place / os.fsdecode(b"st\xe9.yaml"))
    given = ["--set", "name=s", "--set", "data.corpus={path: names}", "--workers", "1"]
    answer = workbench(place, "run", os.fsdecode(b"st\xe9.yaml"), *given)
    assert answer.returncode == 0, answer.stderr
    assert read_yaml(place / "results" / "s" / "study.yaml")["command"].startswith(
        "workbench run st\\xe9.yaml"
    )
    message = workbench(place, "check", os.fsdecode(b"st\xe9.yaml")).stderr
    assert "names a folder" in message


def test_a_part_that_lacks_its_method_is_named_by_check(place):
    (place / "unfinished.py").write_text(
        "from workbench.model import Norm\n\n\nclass Half(Norm):\n    'Has no forward.'\n"
    )
    answer = workbench(place, "check", "s.yaml", "--set", "factors.norm=[rmsnorm, 'unfinished:Half']")
    assert answer.returncode == 2
    assert "norm=unfinished:Half: " in answer.stderr
    assert "forward" in answer.stderr
