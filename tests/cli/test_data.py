"""``workbench data``: counts by rule, with examples, on the terminal and for programs; mistakes in a line."""

import json

import pytest

from tests.data.treatments.pools import everything
from tests.in_process import workbench


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "pool").mkdir()
    for number, text in enumerate([*everything(), "[bold]a \x1b[31mred ‮ text[/]", "x {y} \x07"]):
        (folder / "pool" / f"{number}.txt").write_text(text)
    return folder


def test_it_says_what_each_rule_kept_and_dropped(place):
    done = workbench(place, "data", "pool", "--treatment", "c4", "--json")
    report = json.loads(done.stdout)
    [stage] = report["stages"]
    assert stage["name"] == "c4"
    assert report["train"]["documents"] == stage["documents_left"]
    assert stage["documents"] - stage["documents_left"] == sum(
        rule["dropped"] for rule in stage["rules"].values()
    )
    assert stage["bytes"] - stage["bytes_left"] == sum(rule["bytes"] for rule in stage["rules"].values())
    assert stage["rules"]["curly_bracket"]["dropped"] >= 3
    [examples] = report["examples"]
    assert {one["rule"] for one in examples["dropped"]} == {"curly_bracket", "few_sentences"}
    assert len(examples["kept"]) == 20
    assert all("became" in one for one in examples["changed"])
    again = workbench(place, "data", "pool", "--treatment", "c4", "--json")  # from the cache
    assert json.loads(again.stdout) == report


def test_text_of_a_corpus_is_shown_as_text(place):
    shown = workbench(
        place, "data", "pool", "--treatment", "{name: gopher, fewest_words: 20}", "--examples", "20"
    )
    assert shown.returncode == 0
    assert "\x1b[31m" not in shown.stdout
    assert "\x07" not in shown.stdout
    assert "‮" not in shown.stdout
    assert "few_words" in shown.stdout
    assert "are left" in shown.stdout


def test_a_corpus_alone_has_its_sizes(place):
    shown = workbench(place, "data", "{path: pool, near_copies: drop}")
    assert "near copies of validation text" in " ".join(shown.stdout.split())
    assert "validation" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pool", "--treatment", "gofer"), "unknown treatment 'gofer'"),
        (("pool", "--treatment", "{"), "--treatment: '{' is no YAML"),
        (
            ("pool", "--treatment", "{name: boilerplate, source: {path: nowhere}}"),
            "no file or folder 'nowhere'",
        ),
        (("pool", "--treatment", "{name: gopher, fewest_words: 1000}"), "leaves no text to train on"),
        (("nowhere",), "nowhere"),
    ],
)
def test_a_mistake_is_one_line(place, arguments, message):
    done = workbench(place, "data", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
