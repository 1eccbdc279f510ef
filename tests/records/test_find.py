import shutil

import pytest

from workbench.errors import UserError
from workbench.files import write_yaml
from workbench.records.find import find_run, find_seed
from workbench.records.run import RunRecord, State, config_hash, write_record

RUNS = [
    ("aaaa11112222", "one", 1, State.COMPLETE),
    ("aaaa33334444", "one", 2, State.COMPLETE),
    ("bbbb11112222", "two", 1, State.COMPLETE),
    ("cccc11112222", "two", 2, State.FAILED),
]


@pytest.fixture
def results(tmp_path):
    write_yaml(tmp_path / "tiny" / "study.yaml", {"name": "tiny"})
    for run_id, variant, seed, state in RUNS:
        record = RunRecord(
            run_id=run_id,
            study="tiny",
            variant=variant,
            phase="confirm",
            seed=seed,
            hyperparameters={"learning_rate": 0.1},
            config={},
            state=state,
        )
        write_record(tmp_path / "tiny", record)
    return tmp_path


@pytest.mark.parametrize("name", ["bbbb11112222", "bbbb", "tiny/two", "tiny/two/1"])
def test_a_run_is_found_by_id_by_its_beginning_and_by_variant(results, name):
    assert find_run(results, name).run_id == "bbbb11112222"


def test_a_run_is_found_by_its_path(results):
    assert find_run(results / "nowhere", str(results / "tiny/runs/cccc11112222")).run_id == "cccc11112222"


def test_a_seed_tells_the_runs_of_a_variant_apart(results):
    assert find_run(results, "tiny/one/2").run_id == "aaaa33334444"
    with pytest.raises(UserError, match="no complete run of 'tiny/one/3'; seeds of one are 1, 2"):
        find_run(results, "tiny/one/3")
    with pytest.raises(UserError, match=r"no complete run of 'tiny/two/2' \(it failed\); seeds"):
        find_run(results, "tiny/two/2")


@pytest.mark.parametrize("name", ["aaaa", "tiny/one"])
def test_several_runs_are_named(results, name):
    with pytest.raises(UserError, match=r"may be any of aaaa11112222 \(confirm, seed 1, of 20.*aaaa33334444"):
        find_run(results, name)


def test_of_a_study_that_was_changed_the_runs_of_its_present_manifest_come_first(results):
    """The same variant and seed, once on a text that has changed since."""
    now, before = {"data": {"fingerprint": "new"}}, {"data": {"fingerprint": "old"}}
    for run_id, config in (("dddd11112222", now), ("eeee11112222", before)):
        record = find_run(results, "bbbb").read()
        record.run_id, record.variant, record.config = run_id, "three", config
        write_record(results / "tiny", record)
    with pytest.raises(UserError, match=r"may be any of dddd11112222.*eeee11112222.*; give the id of one$"):
        find_run(results, "tiny/three/1")
    variants = [{"name": "three", "config_hash": config_hash(now)}]
    manifest = {"name": "tiny", "variants": variants, "baseline": "three", "metric": "validation/loss"}
    write_yaml(results / "tiny" / "study.yaml", manifest)
    assert find_run(results, "tiny/three/1").run_id == "dddd11112222"
    assert find_run(results, "eeee").run_id == "eeee11112222"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bbb", "there is no run 'bbb'"),
        ("tiny/tow", "no complete run of 'tiny/tow'; did you mean 'two'"),
        ("tiny/one/9", "no complete run of 'tiny/one/9'; seeds of one are 1, 2"),
        ("other/one", "there is no run 'other/one'"),
    ],
)
def test_an_unknown_run_says_what_would_work(results, name, message):
    with pytest.raises(UserError, match=message):
        find_run(results, name)


def test_without_any_run_the_remedy_is_to_make_one(tmp_path):
    with pytest.raises(UserError, match=r"there is no run under .*; run a study, or import a model"):
        find_run(tmp_path / "empty", "aaaa")


@pytest.fixture
def published(results):
    """The same results with a copy of the study among the published ones, without weights."""
    shutil.copytree(results / "tiny", results / "published" / "tiny")
    return results


@pytest.mark.parametrize(
    ("name", "study"),
    [
        ("bbbb11112222", "tiny"),
        ("bbbb", "tiny"),
        ("tiny/two", "tiny"),
        ("tiny/one/2", "tiny"),
        ("published/tiny/two", "published/tiny"),
        ("published/tiny/one/2", "published/tiny"),
    ],
)
def test_a_run_and_its_published_copy_are_one_run_in_two_places(published, name, study):
    assert find_run(published, name).path.parents[1] == published / study


def test_of_a_run_in_two_places_an_id_means_the_one_with_weights(published):
    (published / "published/tiny/runs/bbbb11112222/model.safetensors").touch()
    assert find_run(published, "bbbb").path.parents[2] == published / "published"
    with pytest.raises(UserError, match=r"may be any of aaaa11112222 \(confirm, seed 1, .*aaaa33334444 \("):
        find_run(published, "aaaa")


def test_a_published_study_alone_answers_to_its_own_name(published):
    shutil.rmtree(published / "tiny")
    assert find_run(published, "tiny/two/1").path.parents[1] == published / "published" / "tiny"
    with pytest.raises(UserError, match="no complete run of 'tiny/one/3'; seeds of one are 1, 2"):
        find_run(published, "tiny/one/3")


def test_a_seed_of_a_study_is_found_as_by_its_name(results):
    study = results / "tiny"
    assert find_seed(study, "one", 2).run_id == find_run(results, "tiny/one/2").run_id
    assert find_seed(study, "two").run_id == "bbbb11112222"
    with pytest.raises(UserError, match="against: no complete run of 'tiny/one/3'; seeds of one are 1, 2"):
        find_seed(study, "one", 3, key="against")
    with pytest.raises(UserError, match="run: no complete run of 'tiny/tow'; did you mean 'two'"):
        find_seed(study, "tow")
    (study / "runs" / "bbbb11112222" / "run.json").unlink()
    with pytest.raises(UserError, match="no complete run of 'tiny/two'; finish it with 'workbench run'"):
        find_seed(study, "two")
