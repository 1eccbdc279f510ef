"""The share of the validation text in a difference: a known answer, and coverage over seeds and texts."""

import math

import numpy as np
import pytest

from tests.analysis.synthetic_studies import Study, manifest, one_at_a_time
from workbench.analysis.effects import study_report
from workbench.analysis.report import to_json
from workbench.analysis.statistics import compare_pairs
from workbench.analysis.text_uncertainty import UNLIKE_TEXTS, of_parts, text_notes
from workbench.records.index import load_study
from workbench.records.run import RunDirectory

LEARNED = "positions=learned"


def test_a_known_standard_error():
    """Ratio estimate over clusters of unequal size: r = d - mean N, G / (G - 1) sum r², over all targets."""
    targets = np.array([100.0, 200, 100, 100, 100, 200, 100, 100])
    sums = np.array([3.0, 4, 1, 2, 3, 4, 1, 2])
    found = of_parts(np.array([sums, sums]), targets, compare_pairs([0.02, 0.02]))
    left = sums - 0.02 * targets
    assert found.error == pytest.approx((8 / 7 * (left**2).sum()) ** 0.5 / 1000)
    assert (found.parts, found.size, found.documents) == (8, 1000, None)
    assert found.interval.low == pytest.approx(0.02 - 2.364624 * found.error)
    assert of_parts(np.array([sums[:7]]), targets[:7], compare_pairs([0.02])) is None


def test_the_two_way_interval_covers_other_seeds_and_other_texts():
    """Seeds alone cover far less where the text is a small sample: every seed shares it."""
    generator = np.random.default_rng(12)
    targets = np.full(24, 512.0)
    by_seeds = by_both = 0
    for _ in range(400):
        text = generator.normal(0, 0.03, 24)
        losses = 0.05 + text + generator.normal(0, 0.008, (8, 1)) + generator.normal(0, 0.01, (8, 24))
        comparison = compare_pairs(losses.mean(axis=1))
        found = of_parts(losses * targets, targets, comparison)
        by_seeds += not comparison.interval.excludes(0.05)
        by_both += not found.two_way.excludes(0.05)
    assert by_seeds / 400 < 0.75
    assert 0.93 <= by_both / 400 <= 0.99


def test_a_text_that_is_too_small_for_the_margin_is_told():
    generator = np.random.default_rng(3)
    losses = 0.05 + generator.normal(0, 0.03, 24) + np.zeros((4, 1))
    found = of_parts(losses * 512, np.full(24, 512.0), compare_pairs([0.05] * 4))
    assert text_notes(found, None, 0.1, "nats/token") == []
    (note,) = text_notes(found, None, 0.01, "nats/token")
    assert note.startswith("the validation text is small for the margin: another text of 12,288 tokens")
    # Its error falls with the root of its size.
    needed = 12_288 * (found.error / 0.0025) ** 2
    shown = int(note.partition("about ")[2].partition(" would")[0].replace(",", ""))
    assert needed <= shown <= 1.11 * needed


def study_with_passages(path, cuts=(16, 16), total=None, context=128):
    """Learned positions lose 0.1 more, unevenly over the text; each variant's passages by its own cuts."""
    study = Study(path, manifest(one_at_a_time()[:2])).tune()
    study.confirm("baseline", [3.0 + 0.001 * k for k in range(5)])
    study.confirm(LEARNED, [3.1 + 0.0013 * k for k in range(5)])
    uneven = 0.1 + 0.05 * np.cos(np.arange(48))
    for run in study.load().runs.query("phase == 'confirm'").to_dict("records"):
        directory = RunDirectory(run["path"])
        record = directory.read()
        is_baseline = record.variant == "baseline"
        nats = np.full(48, 100 * run["validation/loss"])
        nats += 0 if is_baseline else 100 * (uneven - uneven.mean())
        parts = cuts[not is_baseline]
        targets = np.full(48, 100.0) if is_baseline or total is None else np.full(48, total)
        record.passages = {
            "nats": nats.reshape(parts, -1).sum(axis=1).tolist(),
            "targets": targets.reshape(parts, -1).sum(axis=1).tolist(),
        }
        record.config["model"]["context"] = 128 if is_baseline else context
        directory.write(record)
    return study_report(study.load())


def test_the_report_has_both_intervals_and_the_warning(tmp_path):
    report = study_with_passages(tmp_path)
    row = report.rows[1]
    assert (row.text.parts, row.text.pairs, row.text.size) == (16, 5, 4800)
    columns = to_json(report)["rows"][1]
    assert columns["text_low"] < row.difference < columns["text_high"]
    assert columns["seeds_and_text_low"] < columns["difference_low"]
    assert (columns["text_error"], columns["text_passages"]) == (row.text.error, 16)
    assert columns["text_documents"] is None
    assert (row.text.error > 0.005) == any("evaluation_tokens" in note for note in row.notes)


def test_other_batches_cut_the_same_text_elsewhere(tmp_path):
    """Passages then run from one common cut to the next: 16 and 24 cuts have 8 in common."""
    report = study_with_passages(tmp_path, cuts=(16, 24))
    assert report.rows[1].text.parts == 8


def test_other_texts_and_old_records_have_none(tmp_path):
    assert study_with_passages(tmp_path / "total", total=90.0).rows[1].text is None
    assert study_with_passages(tmp_path / "context", context=64).rows[1].text is None
    study = Study(tmp_path / "old", manifest(one_at_a_time()[:2])).tune()
    report = study_report(study.confirm("baseline", [3.0] * 5).confirm(LEARNED, [3.1] * 5).load())
    assert report.rows[1].text is None
    assert to_json(report)["rows"][1]["text_error"] is None


def test_bits_per_byte_are_scaled_alike(tmp_path):
    nats = study_with_passages(tmp_path).rows[1]
    path = tmp_path / "study.yaml"
    path.write_text(path.read_text().replace("metric: validation/loss", "metric: validation/bits_per_byte"))
    bits = study_report(load_study(tmp_path)).rows[1]
    assert bits.text.error == pytest.approx(nats.text.error / np.log(2))


def test_documents_cover_other_texts_where_windows_as_if_independent_do_not():
    """24 documents of 2 to 12 windows: what a change does differs from document to document."""
    generator = np.random.default_rng(7)
    by_windows = by_documents = 0
    for _ in range(400):
        lengths = generator.integers(2, 13, 24)
        document = np.repeat(np.arange(24), lengths)
        text = generator.normal(0, 0.03, 24)[document] + generator.normal(0, 0.02, len(document))
        sums = (0.05 + text + generator.normal(0, 0.004, (8, 1))) * 128  # of windows, (seeds, W)
        sizes = np.full(len(document), 128.0)
        comparison = compare_pairs(sums.sum(axis=1) / sizes.sum())
        windows = of_parts(sums, sizes, comparison)
        joined = np.zeros((8, 24))
        np.add.at(joined, (slice(None), document), sums)
        documents = of_parts(joined, 128.0 * lengths, comparison, documents=24)
        assert documents.interval.low + documents.interval.high == pytest.approx(
            windows.interval.low + windows.interval.high
        )
        by_windows += not windows.two_way.excludes(0.05)
        by_documents += not documents.two_way.excludes(0.05)
    assert by_windows / 400 < 0.8
    assert 0.93 <= by_documents / 400 <= 0.99


def test_two_documents_are_enough_and_pieces_of_one_are_not():
    sums, sizes = np.array([[3.0, 4]]), np.array([100.0, 200])
    found = of_parts(sums, sizes, compare_pairs([7 / 300]), documents=2)
    left = sums[0] - 7 / 300 * sizes
    assert found.error == pytest.approx((2 * (left**2).sum()) ** 0.5 / 300)
    assert found.two_way is None
    assert of_parts(sums, sizes, compare_pairs([7 / 300]), documents=1) is None


def kept(loss, documents=12, cut="a text", targets=100, size=130, earlier=False):
    """What a record has of a text whose documents differ: losses by document, or by passage."""
    uneven = 0.05 * np.cos(np.arange(12)) * (loss > 3.05)
    nats = (targets * (loss + uneven - uneven.mean())).tolist()
    if earlier:
        return {"passages": {"nats": nats, "targets": [float(targets)] * 12}}
    columns = {"nats": nats, "targets": [targets] * 12, "bytes": [size] * 12}
    return {"text_losses": columns | {"documents": documents, "cut": cut}}


def study_with_documents(path, of_variant=None, of_some=None, metric="validation/loss"):
    """Learned positions lose 0.1 more; their runs keep ``of_variant``, or the first alone ``of_some``."""
    study = Study(path, manifest(one_at_a_time()[:2]) | {"metric": metric}).tune()
    study.confirm("baseline", [3.0 + 0.001 * k for k in range(5)])
    study.confirm(LEARNED, [3.1 + 0.0013 * k for k in range(5)])
    for run in study.load().runs.query("phase == 'confirm'").to_dict("records"):
        directory = RunDirectory(run["path"])
        record = directory.read()
        others = {}
        if record.variant == LEARNED:
            others = of_variant or {}
            if of_some and run["validation/loss"] == 3.1:
                others = of_some
        for key, value in kept(run["validation/loss"], **others).items():
            setattr(record, key, value)
        directory.write(record)
    return study_report(study.load())


def test_a_report_rests_on_documents_and_says_on_how_many(tmp_path):
    report = study_with_documents(tmp_path)
    text = report.rows[1].text
    assert (text.parts, text.documents, text.size, text.counted) == (12, 12, 1200, "tokens")
    uneven = 0.05 * np.cos(np.arange(12))
    left = 100 * (uneven - uneven.mean())
    assert text.error == pytest.approx((12 / 11 * (left**2).sum()) ** 0.5 / 1200)
    columns = to_json(report)["rows"][1]
    assert (columns["text_documents"], columns["text_passages"]) == (12, None)
    assert columns["seeds_and_text_low"] < columns["difference_low"]
    notes = report.rows[1].notes
    assert any("another validation text" in note and "it rests on 12 documents" in note for note in notes)
    assert any("another text of 1,200 tokens in 12 documents would move" in note for note in notes)
    assert UNLIKE_TEXTS not in notes


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        (300, "it rests on 300 documents"),  # of which neighbours are joined
        (7, "it rests on 7 documents, too few"),
        (1, "it rests on passages of a single document, and is too narrow"),
    ],
)
def test_few_documents_are_told(documents, said):
    generator = np.random.default_rng(3)
    parts = 7 if documents == 7 else 12
    differences = 512 * (0.05 + generator.normal(0, 0.03, (2, parts)))
    comparison = compare_pairs(differences.mean(axis=1) / 512)
    found = of_parts(differences, np.full(parts, 512.0), comparison, documents=documents)
    assert any(said in note for note in text_notes(found, None, 1.0, "nats/token"))


@pytest.mark.parametrize(
    "others",
    [
        {"of_variant": {"cut": "another"}},
        {"of_variant": {"targets": 90}},  # as many bytes in other tokens
        {"of_variant": {"earlier": True}},
        {"of_some": {"earlier": True}},  # seeds of an earlier release, and new ones
        {"of_some": {"cut": "another"}},
    ],
)
def test_unlike_texts_are_not_paired_and_one_note_says_so(tmp_path, others):
    report = study_with_documents(tmp_path, **others)
    row = report.rows[1]
    assert row.text is None
    assert row.verdict is not None
    assert row.notes.count(UNLIKE_TEXTS) == 1
    assert to_json(report)["rows"][1]["text_error"] is None


def test_bits_per_byte_of_two_tokenizers_are_paired_by_the_bytes_of_documents(tmp_path):
    report = study_with_documents(tmp_path, {"targets": 90}, metric="validation/bits_per_byte")
    text = report.rows[1].text
    assert (text.parts, text.size, text.counted) == (12, 12 * 130, "bytes")
    uneven = 0.05 * np.cos(np.arange(12))
    left = 90 * (uneven - uneven.mean()) / math.log(2)
    assert text.error == pytest.approx((12 / 11 * (left**2).sum()) ** 0.5 / (12 * 130))
    assert UNLIKE_TEXTS not in report.rows[1].notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nats": [1.0]}, "text_losses: nats, targets and bytes should have one number for each part"),
        ({"documents": 0}, "text_losses.documents"),
        ({"cut": 3}, "text_losses.cut"),
    ],
)
def test_damaged_losses_are_a_problem_of_their_run(tmp_path, change, message):
    study = Study(tmp_path, manifest(one_at_a_time()[:2])).tune().confirm("baseline", [3.0, 3.01])
    run = study.load().runs.query("phase == 'confirm'").iloc[0]
    directory = RunDirectory(run["path"])
    record = directory.read()
    record.text_losses = kept(3.0)["text_losses"] | change
    directory.write(record)
    loaded = study.load()
    assert len(loaded.problems) == 1
    assert message in loaded.problems[0].message
