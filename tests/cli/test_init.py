"""``workbench init``: files that pass ``check``, with comments that are the schema's own words."""

import json
import random

import pytest
import yaml

from tests.in_process import refused, workbench
from workbench.cli.init import TemplateName
from workbench.study.reference.entries import split_description
from workbench.study.schema import StudyFile
from workbench.study.templates import TEMPLATES


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a text in place of the corpora that templates name, which take long to prepare."""
    folder = tmp_path_factory.mktemp("init")
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefgh", k=6)) for _ in range(300)]
    (folder / "texts").mkdir()
    for number in range(40):
        (folder / "texts" / f"{number}.txt").write_text(" ".join(draw.choices(words, k=1500)))
    return folder


def without_breaks(text):
    return " ".join(text.replace("#", " ").split())


def test_every_template_can_be_asked_for():
    assert [name.value for name in TemplateName] == list(TEMPLATES)


@pytest.mark.parametrize("template", list(TEMPLATES))
def test_what_is_written_passes_check_and_says_what_each_key_means(place, template):
    answer = workbench(place, "init", f"my-{template}", "--template", template)
    assert answer.returncode == 0, answer.stderr
    path = place / "ablations" / f"my-{template}.yaml"
    assert f"workbench check ablations/my-{template}.yaml" in answer.stdout
    text = path.read_text()
    values = yaml.safe_load(text)
    for key in values:
        [field] = [one for name, one in StudyFile.model_fields.items() if (one.alias or name) == key]
        meaning, _ = split_description(field.description)
        assert without_breaks(meaning.partition("\n\n")[0]) in without_breaks(text.partition(f"\n{key}:")[0])
    assert max(map(len, text.splitlines())) <= 110
    local = {"path": "texts"}
    replaced = [f"data.corpus={json.dumps(local)}"]
    if "evaluation" in values["data"]:
        replaced.append(f"data.evaluation={json.dumps(dict.fromkeys(values['data']['evaluation'], local))}")
    setting = [word for one in replaced for word in ("--set", one)]
    checked = workbench(place, "check", str(path), *setting, "--workers", "1", "--json")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["trials"]


def test_nothing_is_overwritten(tmp_path):
    assert workbench(tmp_path, "init", "--folder", "mine").returncode == 0
    path = tmp_path / "mine" / "my-study.yaml"
    path.write_text("my own words")
    refused(workbench(tmp_path, "init", "--folder", "mine"), "mine/my-study.yaml", "give another name")
    assert path.read_text() == "my own words"
    (tmp_path / "mine" / "led.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    refused(workbench(tmp_path, "init", "led", "--folder", "mine"), "is there already")
    assert not (tmp_path / "elsewhere.yaml").exists()
    results = tmp_path / "results" / "done"
    results.mkdir(parents=True)
    (results / "study.yaml").touch()
    refused(workbench(tmp_path, "init", "done"), "has results", "another name")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up", "/tmp/x", "a/b", "a\\b", "-x", "a b", "a\nb", "x" * 300, "archive", "a..b"],
)
def test_names_that_are_none_are_refused(tmp_path, name):
    before = sorted(tmp_path.rglob("*"))
    refused(workbench(tmp_path, "init", "--", name), "name")
    assert sorted(tmp_path.rglob("*")) == before


def test_the_ending_of_the_file_may_be_typed(tmp_path):
    assert workbench(tmp_path, "init", "mine.yaml").stdout.startswith("written: ablations/mine.yaml\n")
