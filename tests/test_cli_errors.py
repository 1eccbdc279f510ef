"""How commands end that cannot do their work: one line with the path and the remedy, exit code 2."""

import errno
import io
import os
import sys

import pytest
import yaml

from tests.in_process import workbench
from workbench.cli_errors import ended
from workbench.errors import UserError

LONG = "x" * 5000
STUDY = {
    "question": "q?",
    "size": {"layers": 1, "width": 16, "heads": 2},
    "context": 16,
    "factors": {"norm": ["rmsnorm", "layernorm"]},
    "data": {"corpus": {"path": "text.txt"}},
    "training": {"tokens": 640, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 64, "probes": 0},
    "learning_rates": [0.01],
    "seeds": {"pilot": 0, "confirm": 1},
    "margin": 0.01,
}


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
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert all(part in told for part in parts), told
    assert told.count("\n") == 1
    assert len(told) < 300


@pytest.mark.parametrize(("end", "status"), [(None, 0), (0, 0), (130, 130), (2, 2), ("text", 1)])
def test_a_commands_own_exit_status_stays(end, status):
    assert ended(raising(SystemExit(end))) == status


def test_a_mistake_in_the_code_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        ended(lambda: 1 / 0)


class _Full(io.StringIO):
    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_what_cannot_be_printed_for_a_full_disk_is_told(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", _Full())
    assert ended(raising(SystemExit(0))) == 2
    assert "disk is full" in capsys.readouterr().err


def test_a_reader_that_went_away_is_told_nothing(monkeypatch, capfd):
    reading, writing = os.pipe()
    os.close(reading)
    with monkeypatch.context() as patch, open(writing, "w") as output:
        patch.setattr(sys, "stdout", output)
        assert ended(lambda: print("x" * 100_000)) == 141
    assert capfd.readouterr().err == ""


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
            ["check", "s.yaml", "--set", "factors.norm=[rmsnorm, 'workbench.model.norms:Norm']"],
            ["norm: workbench.model.norms:Norm", "define forward"],
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
    told = answer.stderr.splitlines()[-1]
    assert told.startswith("error: ")
    assert all(part in told for part in parts), told
    left = {path.name for path in place.iterdir()} - {path.name for path in before}
    assert left <= {"cache"}


def test_a_part_that_lacks_its_method_is_named_by_check(place):
    (place / "unfinished.py").write_text(
        "from workbench.model import Norm\n\n\nclass Half(Norm):\n    'Has no forward.'\n"
    )
    answer = workbench(place, "check", "s.yaml", "--set", "factors.norm=[rmsnorm, 'unfinished:Half']")
    assert answer.returncode == 2
    assert "norm=unfinished:Half: " in answer.stderr
    assert "forward" in answer.stderr
