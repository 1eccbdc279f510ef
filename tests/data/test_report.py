"""The report on a corpus: examples of each rule, where a text was changed, what is mixed, and its cache."""

import random

import pytest

from tests.data.treatments.pools import prose
from workbench.data import report as reports
from workbench.data.batches import prepare
from workbench.data.corpora import corpus_config
from workbench.data.report import corpus_report, kept_report, report_entry
from workbench.data.treatments.tally import CHANGED, DROPPED, KEPT, Tally, beginnings
from workbench.data.treatments.treatment import Outcome


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two folders of documents of about 300 bytes, the second with fewer."""
    folder = tmp_path_factory.mktemp("pools")
    draw = random.Random(5)
    for name, number in (("many", 60), ("few", 20)):
        (folder / name).mkdir()
        for place in range(number):
            (folder / name / f"{place}.txt").write_text(prose(draw, 50))
    return folder


def test_there_are_twenty_examples_of_each_rule_and_kind():
    documents = [f"text {number}" for number in range(200)]
    rules = ["", "short", "long", "first_line"]
    outcomes = [
        Outcome("" if rule in ("short", "long") else f"{text}{rule}", rule)
        for text, rule in zip(documents, rules * 50, strict=True)
    ]
    tally = Tally("some")
    tally.keep(documents, outcomes)
    found = tally.examples
    assert [len(found[kind]) for kind in (KEPT, CHANGED, DROPPED)] == [20, 20, 40]
    assert [one["rule"] for one in found[DROPPED]] == ["long"] * 20 + ["short"] * 20
    assert all(one["became"] == f"{one['text']}first_line" for one in found[CHANGED])
    assert len({one["text"] for kind in found.values() for one in kind}) == 80


@pytest.mark.parametrize(("length", "begins"), [(10, "x\nx\n"), (5_000, "… x\nx\n")])
def test_a_changed_text_is_shown_from_where_it_was_changed(length, begins):
    before = "x\n" * length + "licence\n" + "y\n" * 50
    tally = Tally("line_dedup")
    tally.keep([before], [Outcome(before.replace("licence\n", ""), "repeated_line")])
    [example] = tally.examples[CHANGED]
    assert example["text"].startswith(begins)
    assert "licence" in example["text"]
    assert "licence" not in example["became"]
    assert len(example["text"]) <= 402


def test_beginnings_are_a_sample_in_the_order_of_the_text():
    documents = [f"{number:03}" + "z" * 1000 for number in range(100)]
    shown = beginnings(documents)
    assert len(shown) == 20
    assert shown == sorted(shown)
    assert {len(text) for text in shown} == {400}
    assert beginnings(documents[:3]) == [text[:400] for text in documents[:3]]


def test_a_corpus_that_is_tokenised_has_its_report_for_nothing(place, tmp_path, monkeypatch):
    config = corpus_config({"path": str(place / "many"), "treatment": {"name": "gopher", "fewest_words": 51}})
    assert kept_report(report_entry(config, tmp_path)) is None
    corpus = prepare(config, "bytes", tmp_path)
    found = kept_report(report_entry(config, tmp_path))
    monkeypatch.setattr(reports, "load_documents", None)  # nothing is read again
    assert corpus_report(config, tmp_path) == found
    assert found.fingerprint == corpus.fingerprint
    assert [stage.model_dump(exclude_none=True) for stage in found.stages] == corpus.meta["stages"]
    assert found.train.bytes == corpus.train_bytes
    assert found.validation.documents == corpus.meta["validation_documents"]
    assert len(found.validation.beginnings) == min(20, found.validation.documents)


def test_a_report_that_is_no_report_is_made_anew(place, tmp_path):
    config = corpus_config({"path": str(place / "few")})
    made = corpus_report(config, tmp_path)
    entry = report_entry(config, tmp_path)
    entry.write_text('{"report": {"train": 1}, "sha256": "x"}')
    assert kept_report(entry) is None
    assert corpus_report(config, tmp_path) == made == kept_report(entry)


def test_a_mixture_says_what_of_each_corpus_is_in_it(place, tmp_path):
    mixture = {
        "mixture": {
            "many": {"path": str(place / "many"), "treatment": "exact_dedup"},
            "few": {"path": str(place / "few")},
        },
        "weights": {"many": 1, "few": 1},
    }
    found = corpus_report(corpus_config(mixture), tmp_path)
    many, few = found.sources
    assert (many.name, few.name, many.share) == ("many", "few", 0.5)
    assert many.train.bytes + few.train.bytes == found.train.bytes
    assert many.train.documents + few.train.documents == found.train.documents
    assert few.train == few.available  # the smaller one is used up
    assert many.train.bytes == few.train.bytes < many.available.bytes
    assert [stage.name for stage in many.stages] == ["exact_dedup"]
    assert found.stages == few.stages == []
    assert many.examples[0].kept
