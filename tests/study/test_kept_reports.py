"""What the texts of a study consist of is kept with it: written, read back, damaged, found in the cache."""

import lzma

import pytest

from tests.dashboard.text_studies import POOL, report_of, text_data, write_text_study
from workbench.data.corpora import corpus_config
from workbench.data.report import corpus_report
from workbench.errors import RecordError
from workbench.records.manifest import read_manifest
from workbench.study.kept_reports import (
    REPORTS,
    compressed,
    keep_reports,
    read_reports,
    reports_in_cache,
    study_texts,
)


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """A pool of forty documents in the present directory, and a cache of its own."""
    (tmp_path / "pool").mkdir()
    for number in range(40):
        (tmp_path / "pool" / f"{number}.txt").write_text(f"document number {number}\n" * 3)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return {"path": "pool"}


def progress(text, part):
    """Nobody listens."""


def test_each_distinct_text_is_written_once_and_read_back(pool, tmp_path):
    notes = []
    treated = pool | {"treatment": {"name": "shuffled_words", "share": 0.5}}
    keep_reports(tmp_path, [pool, treated, pool], progress, notes.append)
    plain, shuffled = read_reports(tmp_path)
    assert notes == []
    assert plain == corpus_report(corpus_config(pool), tmp_path / "cache")
    assert shuffled.corpus["treatment"]["name"] == "shuffled_words"
    assert shuffled.examples[0].changed[0].became


def test_a_text_that_cannot_be_read_is_a_note_and_no_end_of_the_study(pool, tmp_path):
    notes = []
    keep_reports(tmp_path, [pool, {"path": "gone"}], progress, notes.append)
    assert len(read_reports(tmp_path)) == 1
    [note] = notes
    assert "the page Data will lack a text" in note
    assert "gone" in note


def test_nothing_is_read_where_nothing_is(tmp_path):
    assert read_reports(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no xz", "cannot be read as compressed text"),
        (compressed([])[:-8], "it is cut short"),
        (lzma.compress(b"\xff\xfe"), "cannot be read as compressed text"),
        (lzma.compress(b"{"), "cannot be read as JSON"),
        (lzma.compress(b"{}"), "has no key 'texts'"),
        (
            compressed([report_of(text_data()) | {"train": {"documents": 1, "bytes": -1}}]),
            "texts.0.train.bytes",
        ),
        (compressed([report_of(text_data()) | {"stages": [{"name": 1}]}]), "texts.0.stages.0.name"),
    ],
)
def test_a_damaged_file_names_the_key_and_the_remedy(tmp_path, content, said):
    (tmp_path / REPORTS).write_bytes(content)
    with pytest.raises(RecordError) as error:
        read_reports(tmp_path)
    assert str(error.value).startswith(str(tmp_path / REPORTS))
    assert said in str(error.value)
    assert str(error.value).endswith("run the study again to have it written anew, or delete it")


def test_a_report_belongs_to_the_text_of_its_corpus_and_fingerprint(tmp_path):
    study = write_text_study(tmp_path)
    manifest, reports = read_manifest(study), read_reports(study)
    assert [text.report.fingerprint for text in study_texts(manifest, reports)] == [
        "as_is-sha",
        "near_dedup-sha",
        "curated-sha",
    ]
    other = [one.model_copy(update={"fingerprint": "other"}) for one in reports]
    assert [text.report for text in study_texts(manifest, other)] == [None] * 3


def test_the_cache_is_looked_into_and_nothing_is_made(pool, tmp_path):
    data = text_data() | {"corpus": corpus_config(pool).spec()}
    data.pop("stages")
    made = corpus_report(corpus_config(pool), tmp_path / "cache")
    study = write_text_study(tmp_path, reports=False, data=data | {"fingerprint": made.fingerprint})
    texts = study_texts(read_manifest(study))
    before = sorted((tmp_path / "cache").iterdir())
    [found] = [text for text in study_texts(read_manifest(study), reports_in_cache(texts)) if text.report]
    assert (found.report, found.variants) == (made, ("baseline", "feedforward=relu"))
    assert sorted((tmp_path / "cache").iterdir()) == before
    assert POOL["path"] == pool["path"]  # the treated ones are of the same pool, and not in the cache
