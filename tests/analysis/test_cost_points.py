"""Losses by what they cost: means with intervals, the front, and what may not be compared."""

import pytest

from tests.analysis.synthetic_studies import BASELINE_LOSSES, Study, full_study, manifest, shifted, variant
from workbench.analysis.cost_points import cost_points, grounds, on_front
from workbench.analysis.statistics import mean_interval

TEXT = {"corpus": "stdlib", "tokenizer": "bytes", "fingerprint": "aaaa"}


def test_a_point_is_the_mean_over_runs_that_trained_with_its_interval(tmp_path):
    points = {one.variant: one for one in cost_points(full_study(tmp_path / "study").load())}
    baseline = points["baseline"]
    assert baseline.is_baseline
    assert baseline.loss == pytest.approx(3.002)
    assert baseline.interval == mean_interval(BASELINE_LOSSES)
    assert baseline.seeds == 5
    assert baseline.costs == {"flops": pytest.approx(500_000 * 800_000), "seconds": 36.0}
    assert baseline.machines == ("Testium 9",)


def test_the_front_has_what_nothing_beats_in_cost_and_loss(tmp_path):
    variants = [variant("baseline"), variant("norm=layernorm", 400_000, norm="layernorm")]
    variants += [variant("feedforward=relu", 900_000, feedforward="relu")]
    study = Study(tmp_path / "study", manifest(variants))
    study.confirm("baseline", BASELINE_LOSSES)
    study.confirm("norm=layernorm", shifted(0.2))
    study.confirm("feedforward=relu", shifted(0.1))  # dearer than the baseline, and worse
    points = cost_points(study.load())
    best = dict(zip([one.variant for one in points], on_front(points, "flops"), strict=True))
    assert best == {"baseline": True, "norm=layernorm": True, "feedforward=relu": False}
    assert on_front(points, "peak_memory_bytes") == [False, False, False]


def test_a_variant_that_did_not_train_has_no_point(tmp_path):
    study = Study(tmp_path / "study", manifest())
    study.confirm("baseline", BASELINE_LOSSES)
    study.confirm("norm=layernorm", [None] * 5)
    assert [one.variant for one in cost_points(study.load())] == ["baseline"]


def test_losses_of_other_texts_and_of_other_tokens_share_no_ground(tmp_path):
    studies = {
        "one": TEXT,
        "same": TEXT,
        "text": TEXT | {"fingerprint": "bbbb"},
        "tokens": TEXT | {"tokenizer": "bpe-1024"},
    }
    nats, bits = [], []
    for name, data in studies.items():
        records = full_study(tmp_path / name, name=name, data=data).load()
        nats += [point.of(name) for point in cost_points(records)]
        bits += [point.of(name) for point in cost_points(records, "validation/bits_per_byte")]
    together = [{point.study for point in mine} for mine in grounds(nats).values()]
    assert together == [{"one", "same"}, {"text"}, {"tokens"}]
    together = [{point.study for point in mine} for mine in grounds(bits).values()]
    assert together == [{"one", "same", "tokens"}, {"text"}]
