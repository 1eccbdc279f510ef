"""Where the noise of a comparison is known from: the nearest study that made it, or its baseline alone."""

import os
from statistics import stdev

import pytest

from tests.analysis.synthetic_studies import BASELINE_LOSSES, OFFSETS, Study, full_study, manifest, shifted
from workbench.records.manifest import Manifest
from workbench.study.known_noise import known_noise

ASKED = Manifest.model_validate(manifest())


def study(results, name, *, published=False, spread=1.0, tokens=500_000, **changes):
    """A finished study of that name, with LayerNorm's differences ``spread`` times as noisy."""
    folder = results / "published" / name if published else results / name
    folder.mkdir(parents=True)
    training = {"tokens": tokens, "batch_size": 16, "steps": 240}
    written = Study(folder, manifest(name=name, training=training, **changes)).tune()
    return written.confirm("baseline", BASELINE_LOSSES).confirm(
        "norm=layernorm", shifted(0.001, spread=spread)
    )


def sd(spread=1.0):
    return spread * stdev(OFFSETS)


def test_the_sd_of_the_same_comparison_and_its_range(tmp_path):
    full_study(tmp_path / "full")
    found = known_noise(ASKED, tmp_path)
    assert list(found) == ["positions=learned", "norm=layernorm", "feedforward=relu"]
    assert found["norm=layernorm"].sd == pytest.approx(sd())
    assert found["feedforward=relu"].sd == pytest.approx(sd(10))
    assert (found["norm=layernorm"].degrees, found["norm=layernorm"].safe) == (
        4,
        pytest.approx(1.558 * sd(), 1e-3),
    )
    assert found["norm=layernorm"].source == (
        "5 pairs of the same comparison in full (123,456 parameters, 500,000 tokens)"
    )


def test_the_nearest_size_is_believed_and_of_equally_near_ones_ones_own(tmp_path):
    study(tmp_path, "far", spread=3, tokens=5_000_000)
    study(tmp_path, "copy", spread=2, published=True)
    assert known_noise(ASKED, tmp_path)["norm=layernorm"].sd == pytest.approx(sd(2))
    study(tmp_path, "own", tokens=510_000)
    found = known_noise(ASKED, tmp_path)["norm=layernorm"]
    assert (found.sd, "in own (" in found.source) == (pytest.approx(sd()), True)


@pytest.mark.parametrize(("asked", "believed"), [("b", "b"), ("new", "a")])
@pytest.mark.parametrize("newest", ["a", "b"])
def test_of_equally_near_published_ones_age_decides_nothing(tmp_path, asked, believed, newest):
    """A checkout gives them ages by chance."""
    for name in ("a", "b"):
        study(tmp_path, name, published=True)
        written = tmp_path / "published" / name / "study.yaml"
        os.utime(written, (1, 2) if name == newest else (1, 1))
    found = known_noise(ASKED.model_copy(update={"name": asked}), tmp_path)
    assert f"published/{believed} " in found["norm=layernorm"].source


def test_the_other_direction_is_the_same_comparison(tmp_path):
    study(tmp_path, "other")
    swapped = manifest()
    swapped["variants"][2]["change"] = {"norm": ["layernorm", "rmsnorm"]}
    assert known_noise(Manifest.model_validate(swapped), tmp_path)["norm=layernorm"].sd == pytest.approx(sd())


def test_without_the_comparison_two_baseline_runs_bound_it(tmp_path):
    study(tmp_path, "other")
    found = known_noise(ASKED, tmp_path)["feedforward=relu"]
    assert found.sd == pytest.approx(2**0.5 * stdev(BASELINE_LOSSES))
    assert found.degrees == 4
    assert found.source.startswith("√2 × the sd of 5 baseline runs in other (")


def test_the_pilot_serves_where_nothing_was_confirmed(tmp_path):
    (tmp_path / "piloted").mkdir()
    Study(tmp_path / "piloted", manifest(name="piloted")).pilot([3.0, 3.02, 2.98])
    found = known_noise(ASKED, tmp_path)["norm=layernorm"]
    assert (found.sd, found.degrees) == (pytest.approx(0.02 * 2**0.5), 2)
    assert "3 pilot runs in piloted" in found.source


@pytest.mark.parametrize(
    "changes",
    [
        {"metric": "validation/bits_per_byte"},
        {"data": {"tokenizer": {"bpe": 512}}},
        {"design": "import"},
    ],
)
def test_what_measures_otherwise_says_nothing(tmp_path, changes):
    study(tmp_path, "other", **changes)
    assert known_noise(ASKED, tmp_path) == {}


def test_a_comparison_that_is_not_finished_says_nothing(tmp_path):
    (tmp_path / "begun").mkdir()
    begun = Study(tmp_path / "begun", manifest(name="begun")).tune()
    begun.confirm("baseline", [*BASELINE_LOSSES[:4], "missing"]).confirm("norm=layernorm", shifted(0.001))
    assert known_noise(ASKED, tmp_path) == {}


def test_a_damaged_study_leaves_the_others_their_say(tmp_path):
    study(tmp_path, "sound")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/study.yaml").write_text("name: [")
    assert known_noise(ASKED, tmp_path)["norm=layernorm"].sd == pytest.approx(sd())
    assert known_noise(ASKED, tmp_path / "nothing") == {}
