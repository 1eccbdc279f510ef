"""The share of the validation text in a difference: a known answer, and coverage over seeds and texts."""

import numpy as np
import pytest

from tests.analysis.synthetic_studies import Study, manifest, one_at_a_time
from workbench.analysis.effects import study_report
from workbench.analysis.report import to_json
from workbench.analysis.statistics import compare_pairs
from workbench.analysis.text_uncertainty import of_passages, text_notes
from workbench.records.index import load_study
from workbench.records.run import RunDirectory

LEARNED = "positions=learned"


def test_a_known_standard_error():
    """Ratio estimate over clusters of unequal size: r = d - mean N, G / (G - 1) sum r², over all targets."""
    targets = np.array([100.0, 200, 100, 100, 100, 200, 100, 100])
    sums = np.array([3.0, 4, 1, 2, 3, 4, 1, 2])
    found = of_passages(np.array([sums, sums]), targets, compare_pairs([0.02, 0.02]))
    left = sums - 0.02 * targets
    assert found.error == pytest.approx((8 / 7 * (left**2).sum()) ** 0.5 / 1000)
    assert (found.passages, found.targets) == (8, 1000)
    assert found.interval.low == pytest.approx(0.02 - 2.364624 * found.error)
    assert of_passages(np.array([sums[:7]]), targets[:7], compare_pairs([0.02])) is None


def test_the_two_way_interval_covers_other_seeds_and_other_texts():
    """Seeds alone cover far less where the text is a small sample: every seed shares it."""
    generator = np.random.default_rng(12)
    targets = np.full(24, 512.0)
    by_seeds = by_both = 0
    for _ in range(400):
        text = generator.normal(0, 0.03, 24)
        losses = 0.05 + text + generator.normal(0, 0.008, (8, 1)) + generator.normal(0, 0.01, (8, 24))
        comparison = compare_pairs(losses.mean(axis=1))
        found = of_passages(losses * targets, targets, comparison)
        by_seeds += not comparison.interval.excludes(0.05)
        by_both += not found.two_way.excludes(0.05)
    assert by_seeds / 400 < 0.75
    assert 0.93 <= by_both / 400 <= 0.99


def test_a_text_that_is_too_small_for_the_margin_is_told():
    generator = np.random.default_rng(3)
    losses = 0.05 + generator.normal(0, 0.03, 24) + np.zeros((4, 1))
    found = of_passages(losses * 512, np.full(24, 512.0), compare_pairs([0.05] * 4))
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
    assert (row.text.passages, row.text.pairs, row.text.targets) == (16, 5, 4800)
    columns = to_json(report)["rows"][1]
    assert columns["text_low"] < row.difference < columns["text_high"]
    assert columns["seeds_and_text_low"] < columns["difference_low"]
    assert (columns["text_error"], columns["text_passages"]) == (row.text.error, 16)
    assert (row.text.error > 0.005) == any("evaluation_tokens" in note for note in row.notes)


def test_other_batches_cut_the_same_text_elsewhere(tmp_path):
    """Passages then run from one common cut to the next: 16 and 24 cuts have 8 in common."""
    report = study_with_passages(tmp_path, cuts=(16, 24))
    assert report.rows[1].text.passages == 8


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
