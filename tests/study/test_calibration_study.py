"""Which study ``workbench noise`` means, and the file that it writes for another study's baseline."""

import shutil

import pytest
import yaml

from tests.analysis.calibration_studies import calibration_study
from tests.analysis.synthetic_studies import Study, manifest, variant
from tests.study.studies import TINY
from workbench.errors import UserError
from workbench.files import read_yaml, write_yaml
from workbench.study.calibration_study import SEEDS, find_calibration
from workbench.study.schema import load_study_file


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The present directory, with a study file; what the package ships is not at hand."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ablations").mkdir()
    write(tmp_path / "ablations" / "mine.yaml")
    return tmp_path


def write(path, **changes):
    path.write_text(yaml.safe_dump(TINY | {"learning_rates": [0.01, 0.02, 0.04]} | changes))
    return path


def find(study, place, seeds=None, overrides=()):
    return find_calibration(study, seeds=seeds, overrides=overrides, out=place / "results")


def test_the_baseline_of_a_study_gets_a_study_of_its_own(place):
    found = find("mine", place)
    assert found.file.name == "noise-mine.yaml"
    assert found.file.parent.name == "ablations"
    assert found.directory == place / "results" / "noise-mine"
    study = load_study_file(found.file)
    assert study.name == "noise-mine"
    assert study.variants == [{"name": "null-twin", "draws": "twin"}]
    assert study.learning_rates == [0.02]  # the middle one
    assert (study.grid_growth, study.margin, study.context) == (2, 0.05, 16)
    assert study.seeds.confirm == SEEDS == 128
    assert study.phases == ["confirm"]
    assert (study.training.tokens, study.training.probes) == (2560, 0)
    assert [note.partition(":")[0] for note in found.notes][1:] == ["learning rate 0.02"]


def test_the_rate_is_the_one_that_its_baseline_was_tuned_to(place):
    variants = [variant("baseline"), variant("norm=layernorm", norm="layernorm")]
    tuned = Study(place / "results" / "mine", manifest(variants, name="mine"))
    tuned.tune(best=0.006)
    found = find("mine", place)
    assert load_study_file(found.file).learning_rates == [0.006]
    assert "as its baseline was tuned" in found.notes[1]


def test_a_study_that_tunes_over_a_space_gives_the_middle_of_it(place):
    space = {"learning_rate": {"low": 0.001, "high": 0.004, "log": True}, "weight_decay": [0.0, 0.1, 0.2]}
    values = {key: value for key, value in TINY.items() if key not in ("learning_rates", "grid_growth")}
    values |= {"tuning": {"space": space, "sampler": "random", "trials": 4}}
    (place / "ablations" / "mine.yaml").write_text(yaml.safe_dump(values))
    study = load_study_file(find("mine", place).file)
    assert study.learning_rates == [pytest.approx(0.002)]
    assert study.training.weight_decay == 0.1


def test_rates_of_levels_are_those_of_the_baselines_level(place):
    rates = {"layernorm": [0.5, 0.6], "rmsnorm": [0.01, 0.02]}
    write(place / "ablations" / "mine.yaml", learning_rates=rates, baseline={"norm": "rmsnorm"})
    assert load_study_file(find("mine", place).file).learning_rates == [0.01]


def test_a_margin_by_factor_is_its_default(place):
    write(place / "ablations" / "mine.yaml", margin={"default": 0.03, "norm": 0.3})
    assert load_study_file(find("mine", place).file).margin == 0.03


def test_the_recipe_that_is_taken_apart_is_the_baseline(place):
    values = {key: value for key, value in TINY.items() if key not in ("factors", "baseline")}
    values |= {"design": "dismantle", "from": "gpt2", "to": "llama"}
    (place / "ablations" / "mine.yaml").write_text(yaml.safe_dump(values))
    assert load_study_file(find("mine", place).file).baseline == "gpt2"


def test_what_is_overridden_is_written(place):
    found = find("mine", place, seeds=64, overrides=["training.tokens=5120"])
    study = load_study_file(found.file)
    assert (study.seeds.confirm, study.training.tokens) == (64, 5120)
    assert found.overrides == ()


def test_a_file_that_is_there_stays_and_is_what_is_trained(place):
    first = find("mine", place)
    first.file.write_text(first.file.read_text().replace("margin: 0.05", "margin: 0.07"))
    again = find("mine", place, seeds=32)
    assert again.file == first.file
    assert again.overrides == ("seeds.confirm=32",)
    assert "is there already" in again.notes[0]
    assert load_study_file(again.file, list(again.overrides)).margin == 0.07


def test_a_study_called_noise_is_a_calibration_itself(place):
    write(place / "ablations" / "noise.yaml", controls=True, learning_rates=[0.01])
    found = find(None, place)
    assert (found.file.name, found.directory.name, found.notes) == ("noise.yaml", "noise", ())
    assert find("noise", place, seeds=16).overrides == ("seeds.confirm=16",)
    written = find("mine", place).file
    assert find("noise-mine", place).file == written
    assert find("noise-mine", place).notes == ()


def test_so_is_one_whose_manifest_says_so(place):
    calibration_study(place / "results" / "mine", seeds=1, name="mine", calibration=True)
    assert find("mine", place).directory.name == "mine"


def test_a_published_calibration_is_evaluated_as_it_is(place):
    copy = place / "results" / "published" / "noise"
    calibration_study(copy, seeds=1, calibration=True)
    for name in ("published/noise", str(copy)):
        found = find(name, place)
        assert found.file is None
        assert found.directory.samefile(copy)
    with pytest.raises(UserError, match="leave out --seeds"):
        find("published/noise", place, seeds=8)


def test_a_published_study_that_is_none_names_the_study_of_its_baseline(place):
    copy = place / "results" / "published" / "mine"
    calibration_study(copy, seeds=1, name="mine")
    assert find("published/mine", place).file.name == "noise-mine.yaml"


def test_what_cannot_be_calibrated_is_refused_with_the_remedy(place):
    with pytest.raises(UserError, match="nowhere: is no study file"):
        find("nowhere", place)
    own = ("baseline", "size", "context", "data")  # the run's
    later = {key: value for key, value in TINY.items() if key not in own} | {"start": "imported/gpt2"}
    later |= {"data": {"corpus": {"path": "text"}}}
    (place / "ablations" / "later.yaml").write_text(yaml.safe_dump(later))
    with pytest.raises(UserError, match=r"later\.yaml: starts from a run"):
        find("later", place)
    ladder = TINY | {"training": {key: value for key, value in TINY["training"].items() if key != "tokens"}}
    ladder |= {"rungs": [{"tokens": tokens} for tokens in (20_480, 40_960)]}
    (place / "ablations" / "steps.yaml").write_text(yaml.safe_dump(ladder))
    with pytest.raises(UserError, match=r"steps\.yaml: is a ladder"):
        find("steps", place)
    search = {"space": {"norm": ["rmsnorm", "layernorm"]}, "objectives": ["validation/loss"], "trials": 2}
    values = {key: TINY[key] for key in ("question", "size", "context", "data", "training")}
    values |= {"design": "search", "search": search, "seeds": {"tune": 1}, "learning_rates": [0.01]}
    (place / "ablations" / "found.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=r"found\.yaml: is a search"):
        find("found", place)
    assert not list((place / "ablations").glob("noise-*"))


def test_damaged_results_do_not_keep_a_study_from_being_calibrated(place):
    calibration_study(place / "results" / "mine", seeds=1, name="mine")
    values = read_yaml(place / "results" / "mine" / "study.yaml")
    write_yaml(place / "results" / "mine" / "study.yaml", values | {"metric": 3})
    assert load_study_file(find("mine", place).file).learning_rates == [0.02]
    shutil.rmtree(place / "results")
