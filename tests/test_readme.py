"""README's own lines, run one after the other as a reader would: exit codes, and what each writes.

The folder is what a fresh clone holds. Only budgets are cut. Every command that README prints is walked.
"""

import dataclasses
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import typing
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.in_process import workbench
from tests.shared_between_workers import made_once
from tests.tiny_models import save_gpt2
from workbench.analysis.effects import study_report
from workbench.analysis.report_tables import effects_table
from workbench.bench.outcome import Finding, Outcome
from workbench.bench.section import Effort, Section
from workbench.bench.sections import registry
from workbench.data.sources import standard_library
from workbench.data.treatments.registry import TREATMENTS
from workbench.model.config import ModelConfig
from workbench.model.parts.component import FACTORS
from workbench.model.presets import preset_names
from workbench.records.index import load_study
from workbench.records.manifest import read_manifest
from workbench.study.chances import chances_table, comparisons_of
from workbench.study.model_options import OPTION_LEVELS
from workbench.training.config import TrainingConfig
from workbench.training.optimizers import OPTIMIZERS
from workbench.training.schedules import SCHEDULES

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text()

pytestmark = pytest.mark.slow


def blocks(language: str) -> list[str]:
    """README's code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """The command lines that README prints, without their comments."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.join(shlex.split(line, comments=True)) for line in lines if line]


@dataclass(frozen=True)
class Line:
    """A line of README: the files that it writes (patterns), words that it prints, and its exit code."""

    command: str
    writes: tuple[str, ...] = ()
    prints: str = ""
    code: int = 0


FRESH = [  # what a clone can do before anything was run
    Line("workbench list components", prints="rmsnorm"),
    Line("workbench data python-stdlib --treatment code", prints="generated"),
    Line("workbench explain training.warmup", prints="learning rate rises"),
    Line("workbench claims", prints="rope-quality"),
    Line("workbench list views", prints="prompt_attention"),
    Line(
        "workbench inspect quickstart/norm=layernorm/12001 --against quickstart/baseline/12001",
        writes=(
            "inspection/prompt_attention-quickstart-norm=layernorm-12001-*-against-quickstart-baseline-*.svg",
            "inspection/head_scores-*.svg",
            "inspection/*.csv",
        ),
    ),
    Line(
        "workbench inspect positions --view extrapolation",
        writes=("inspection/extrapolation-positions-*-beside-3-*.svg",),
    ),
    Line(
        "workbench inspect quickstart/baseline/12001 --view prompt_attention --text 'def main():' "
        "--option layer=1 --format pdf",
        writes=("inspection/prompt_attention-quickstart-baseline-12001-*-layer=1*.pdf",),
    ),
    Line("workbench probe quickstart", prints="every table"),
    Line("workbench status", prints="published/quickstart"),
]
STUDY = [  # the reader's own question
    Line("workbench check my-study.yaml", prints="relu_squared"),
    Line("workbench plan my-study.yaml --minutes 30", prints="in 30 min: n ="),
    Line("workbench run my-study.yaml", writes=("results/my-study/study.yaml",), prints="feedforward"),
    Line("workbench status", prints="my-study"),
    Line("workbench report my-study --format latex", prints=r"\begin{tabular}"),
    Line("workbench inspect my-study/baseline/2001", writes=("inspection/extrapolation-my-study-*.svg",)),
    Line("workbench run my-study.yaml --population auto", prints="feedforward"),
    Line("workbench run my-study.yaml --population 16", prints="feedforward"),
]
MODELS = [  # trained models from elsewhere
    Line("workbench import gpt2/", writes=("results/imported/runs/*/model.safetensors",)),
    Line("workbench evaluate imported/gpt2", prints="nats"),
    Line("workbench generate imported/gpt2 'def main():'", prints="def main():"),
    Line("workbench export imported/gpt2 exported/", writes=("exported/model.safetensors",)),
    Line("workbench inspect imported/gpt2", writes=("inspection/prompt_attention-imported-gpt2-*.svg",)),
]
DEMO = [
    Line("make demo", writes=("results/quickstart/study.yaml",), prints="positions: rope → learned"),
    Line("workbench publish quickstart", writes=("results/published/quickstart/runs/*/model.safetensors",)),
    Line("workbench publish quickstart --weights 0", writes=("results/published/quickstart/report.md",)),
    Line("workbench publish quickstart --no-examples", writes=("results/published/quickstart/report.md",)),
    Line("workbench publish quickstart --no-measure", writes=("results/published/quickstart/report.md",)),
]
BENCH = [
    Line("workbench bench --quick", writes=("results/benchmarks/*-cpu-quick.md",)),
    Line("workbench bench training levels", writes=("results/benchmarks/*-cpu-full.md",)),
]
ELSEWHERE = ["make test", "workbench dashboard"]  # this suite itself; a server, which does not end by itself
ELSEWHERE += [  # hours of training; tests/cli/test_noise.py has each of a tiny study
    "workbench noise",
    "workbench noise quickstart",
    "workbench noise published/noise",
    "workbench noise --simulate",
]


def test_every_command_of_readme_is_walked():
    walked = {line.command for line in (*FRESH, *STUDY, *MODELS, *DEMO, *BENCH)}
    assert set(commands()) == walked | set(ELSEWHERE)


def test_the_factors_that_readme_names_are_there():
    known = {*FACTORS, *(field.name for field in dataclasses.fields(ModelConfig))}
    known |= {level.name for level in OPTION_LEVELS}
    known |= {"size", "context", "corpus", "treatment", "tokenizer", *TrainingConfig.factors()}
    known |= {"twin"}  # of draws
    known |= {*OPTIMIZERS.names(), *SCHEDULES.names(), "python-stdlib", "bytes"}
    for treatment in TREATMENTS:
        known |= {treatment.name, *treatment.model_fields}
    for levels in FACTORS.values():
        for name in levels.names():
            options = {field.name: field for field in dataclasses.fields(levels.get(name).Config)}
            types = typing.get_type_hints(levels.get(name).Config)
            known |= {name, *options, *(word for each in types.values() for word in typing.get_args(each))}
    table = README.partition("| factor | levels |")[2].partition("\n\n")[0]
    named = re.findall(r"`\"?([\w,]+)\"?`", table)
    assert len(named) > 40
    assert [name for name in named if name not in known] == []


def test_the_presets_that_readme_names_are_there():
    section = README.partition("### Presets")[2].partition("### ")[0]
    named = re.findall(r"`([a-z][a-z\d.-]*)`", section)
    assert {"llama", "gpt2", "gpt2-xl", "gpt3-175b"} <= set(named)
    assert [name for name in named if name not in preset_names()] == []


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """The files that git keeps, as they are now, in a repository of their own."""
    return made_once(tmp_path_factory, "kept", keep)


def keep(folder: Path) -> None:
    names = git(CHECKOUT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, names):
        if (CHECKOUT / name).is_file():  # one that was deleted and not yet committed is listed too
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    commit(folder)
    (folder / ".git" / "info" / "exclude").write_text("/cache/\n")  # where tests have theirs


@pytest.fixture
def clone(kept, tmp_path):
    """A copy of it for the test alone."""
    return shutil.copytree(kept, tmp_path / "clone", symlinks=True)


def git(folder: Path, *words: str) -> str:
    """What git prints, in ``folder``; skipped where this is no checkout."""
    answer = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=False)
    if answer.returncode != 0 and folder == CHECKOUT:
        pytest.skip(f"needs a checkout of git: {answer.stderr.strip()}")
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def commit(folder: Path) -> None:
    """Keep everything that is there: what changes afterwards shows."""
    git(folder, "init", "--quiet")
    for name in ("gc.auto", "maintenance.auto"):  # else files move in the background while tests copy them
        git(folder, "config", name, "0")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message", "t")


def walk(clone: Path, lines: list[Line], run=workbench) -> None:
    """Each line in turn; the files that it promises are written by it and not by the one before."""
    for line in lines:
        began = time.time() - 0.01
        answer = run(clone, *shlex.split(line.command)[1:])
        told = f"{line.command}\n{answer.stdout}\n{answer.stderr}"
        assert answer.returncode == line.code, told
        assert line.prints in answer.stdout, told
        assert "Traceback" not in told
        for pattern in line.writes:
            fresh = [path for path in clone.glob(pattern) if path.stat().st_mtime >= began]
            assert fresh, f"{line.command} wrote no {pattern}"
            assert all(path.stat().st_size for path in fresh), told


def cut(text: str, **smaller: str) -> str:
    """A study of README with smaller numbers; each key has to stand there once."""
    for key, value in smaller.items():
        pattern = rf"\b{key}: (\{{.*?\}}|\[.*?\]|[\d_.]+)"
        text, times = re.subn(pattern, f"{key}: {value}", text)
        assert times == 1, f"{key} stands {times} times in\n{text}"
    return text


def test_a_fresh_clone_is_looked_into_and_stays_as_it_was(clone):
    walk(clone, FRESH)
    assert git(clone, "status", "--porcelain") == ""


def test_a_question_of_ones_own(clone):
    [study] = [block for block in blocks("yaml") if "squared ReLU" in block]
    (clone / "my_texts").mkdir()
    for path in sorted((CHECKOUT / "workbench" / "model").glob("*.py")):
        shutil.copy(path, clone / "my_texts" / f"{path.stem}.txt")
    (clone / "my-study.yaml").write_text(study)
    walk(clone, STUDY[:1])  # as it is printed
    sizes = {"layers": "2", "width": "32", "context": "32", "tokens": "8_192"}
    sizes["batch_size"] = "4, evaluations: 4, evaluation_tokens: 2_048"  # which the study leaves out
    smaller = cut(study, learning_rates="[0.004]", confirm="2", **sizes)
    (clone / "my-study.yaml").write_text(smaller)
    walk(clone, STUDY[1:])


def test_models_from_elsewhere(clone, monkeypatch):
    """They are judged on a sample of the standard library's files, which are in an order drawn from names."""
    files = standard_library._files()[:80]
    monkeypatch.setattr(standard_library, "_files", lambda: files)
    save_gpt2(clone / "gpt2", positions=256)
    walk(clone, MODELS)
    [study] = [block for block in blocks("yaml") if "start: imported/gpt2" in block]
    (clone / "start.yaml").write_text(study)
    assert workbench(clone, "check", "start.yaml").returncode == 0


def test_a_component_of_ones_own(clone):
    [code] = blocks("python")
    [factor] = [block for block in blocks("yaml") if "my_parts" in block]
    (clone / "my_parts.py").write_text(code)
    study = (clone / "ablations" / "quickstart.yaml").read_text()
    before, after = re.split(r"^factors:.*?(?=^match:)", study, flags=re.DOTALL | re.MULTILINE)
    (clone / "own.yaml").write_text(before + factor + after)
    answer = workbench(clone, "check", "own.yaml")
    assert answer.returncode == 0, answer.stderr
    assert "DoubledNorm" in answer.stdout


def test_the_demo_is_set_up_run_and_published(clone):
    """With the libraries that are installed, and the clone's own code."""
    study = clone / "ablations" / "quickstart.yaml"
    smaller = {"tokens": "4_096", "evaluation_tokens": "2_048", "context": "32", "layers": "1"}
    seeds = {"tune": "1", "at_least": "2", "at_most": "2"}
    study.write_text(cut(study.read_text(), learning_rates="[0.003]", **smaller, **seeds))
    make, *publish = DEMO
    walk(clone, [make], run=demo)
    walk(clone, publish)
    assert "make test" in README
    assert "pytest" in dry_run(clone, "test")


def demo(clone: Path, *words: str) -> subprocess.CompletedProcess:
    """``make demo`` without the server, in an environment that is set up already, on one core."""
    command = make(*words, "DEMO_SERVE=0")
    return subprocess.run(
        command, cwd=clone, capture_output=True, text=True, check=False, preexec_fn=on_one_core
    )


def on_one_core() -> None:
    """Each core would start a worker, which takes it seconds for a tiny study."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def dry_run(clone: Path, target: str) -> str:
    """What ``make`` would do."""
    return subprocess.run(
        make(target, "--dry-run"), cwd=clone, capture_output=True, text=True, check=True
    ).stdout


def make(*words: str) -> list[str]:
    """``make`` with this Python's environment, which counts as installed."""
    environment = sys.prefix
    return [
        "env",
        "PYTHONPATH=.",
        "make",
        f"VENV={environment}",
        f"--old-file={environment}/.installed",
        *words,
    ]


def test_the_benchmark_keeps_its_reports(clone, monkeypatch):
    """Sections that measure nothing stand for those that take minutes; they have tests of their own."""
    section = Section(
        name="levels",
        title="Levels",
        about="Nothing.",
        seconds=dict.fromkeys(Effort, 1.0),
        measure=lambda setting: Outcome(findings=[Finding("It was measured.")]),
    )
    monkeypatch.setattr(registry, "load", lambda name: section)
    for report in (clone / "results" / "benchmarks").iterdir():  # one of today would have taken the name
        report.unlink()
    walk(clone, BENCH)


def test_the_dashboard_answers(clone):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "workbench", "dashboard", "--port", str(port)]
    server = subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert health(port, server) == b"ok"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)


def health(port: int, server: subprocess.Popen) -> bytes:
    """What the server answers when it is up, within a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, server.stdout.read().decode()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health") as answer:
                return answer.read()
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the dashboard did not answer")


def test_the_table_is_that_of_the_published_report():
    report = study_report(load_study(CHECKOUT / "results" / "published" / "quickstart"))
    table = effects_table(report)
    shown = README.partition("```text\nchange")[2].partition("```")[0].splitlines()[2:]
    assert len(shown) == len(table.rows)
    for line, cells in zip(shown, table.rows, strict=True):
        assert line.split() == " ".join(cells).split()


def test_the_table_of_chances_is_that_of_plan():
    published = CHECKOUT / "results" / "published"
    manifest = read_manifest(published / "quickstart")
    comparisons = comparisons_of(manifest, published)
    table = chances_table([one.chances(len(manifest.seeds.confirm)) for one in comparisons])
    cells = zip(*(column.cells for column in table.columns), strict=True)
    shown = README.partition("```text\nWhat looks")[2].partition("```")[0].splitlines()[3:]
    assert [line.split() for line in shown] == [" ".join(map(str, row)).split() for row in cells]
