"""Study files: what is accepted, and errors that name file, key and remedy."""

import pytest
import yaml

from workbench.errors import UserError
from workbench.study.schema import load_study_file, parse_study

MINIMAL = {
    "name": "tiny",
    "question": "does it?",
    "context": 32,
    "factors": {"norm": ["rmsnorm", "layernorm"]},
    "training": {"tokens": 1000, "batch_size": 2},
    "learning_rates": [0.001],
    "margin": 0.01,
}


def parse(**changes):
    return parse_study(MINIMAL | changes, source="study.yaml")


def test_defaults_are_the_recipe():
    study = parse()
    assert study.training.betas == (0.9, 0.95)
    assert study.training.weight_decay == 0.1
    assert study.training.clip == 1.0
    assert study.match == "parameters"
    assert study.metric == "validation/loss"


def test_the_phases_never_share_a_seed():
    seeds = parse(seeds={"pilot": 5, "tune": 3, "confirm": 8}).seeds.lists()
    everything = [seed for phase in seeds.values() for seed in phase]
    assert len(everything) == len(set(everything)) == 16


def test_more_seeds_keep_the_first_ones():
    few, many = parse(seeds={"confirm": 3}).seeds.lists(), parse(seeds={"confirm": 8}).seeds.lists()
    assert many["confirm"][:3] == few["confirm"]


def test_one_learning_rate_leaves_nothing_to_tune():
    assert parse().phases == ["pilot", "confirm"]
    assert parse(learning_rates=[0.001, 0.002]).phases == ["pilot", "tune", "confirm"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"learning_rate": [0.1]},
            r"study\.yaml: learning_rate: unknown key; did you mean 'learning_rates'\?",
        ),
        (
            {"training": {"token": 5, "batch_size": 2}},
            r"training\.token: unknown key; did you mean 'tokens'\?",
        ),
        ({"training": {"batch_size": 2}}, r"training\.tokens: this key is needed and missing"),
        ({"training": {"tokens": -1, "batch_size": 2}}, r"training\.tokens: .*greater than 0, got -1"),
        ({"design": "one_by_one"}, r"design: .*'one_at_a_time'.*got 'one_by_one'"),
        ({"design": "explicit"}, "design explicit needs the key 'variants'"),
        ({"design": "leave_one_out", "factors": {}}, "design leave_one_out needs the key 'reference'"),
        ({"reference": "gpt2"}, "design one_at_a_time has no use for the key 'reference'"),
        ({"factors": {"norm": ["rmsnorm"]}}, "factor 'norm' needs at least two levels"),
        ({"seeds": {"pilot": 0, "tune": [1, 2], "confirm": [2, 3]}}, r"tune and confirm share seeds \[2\]"),
        ({"seeds": {"confirm": 0}}, "confirm phase needs at least one seed"),
        ({"seeds": {"confirm": [1, 1]}}, "seeds must be different"),
        ({"learning_rates": [0.1, 0.1]}, "each learning rate once"),
        ({"learning_rates": [0.1, 0.2], "seeds": {"tune": 0}}, r"need seeds\.tune of at least 1"),
        ({"margin": 0}, "margin: .*greater than 0"),
        ({"metric": "accuracy"}, "metric: .*'validation/loss'"),
        ({"name": "../escape"}, "name: "),
    ],
)
def test_every_mistake_names_its_key_and_the_remedy(changes, message):
    with pytest.raises(UserError, match=message):
        parse(**changes)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(UserError) as caught:
        parse(margin=-1, learning_rates=[])
    assert len(str(caught.value).splitlines()) == 2


def write(tmp_path, **changes):
    path = tmp_path / "my-study.yaml"
    values = {key: value for key, value in MINIMAL.items() if key != "name"} | changes
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_file_names_the_study(tmp_path):
    assert load_study_file(write(tmp_path)).name == "my-study"


def test_overrides_replace_single_keys(tmp_path):
    study = load_study_file(
        write(tmp_path),
        ["training.tokens=5000", "learning_rates=[1e-3, 2e-3]", "margin=1e-3", "size.layers=3"],
    )
    assert (study.training.tokens, study.training.batch_size) == (5000, 2)
    assert study.learning_rates == [0.001, 0.002]
    assert (study.margin, study.size.layers) == (0.001, 3)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.tokens", "expected key=value"),
        ("margin.x=3", "has no keys inside"),
        ("margin=[", "not YAML"),
    ],
)
def test_a_bad_override_is_explained(tmp_path, override, message):
    with pytest.raises(UserError, match=message):
        load_study_file(write(tmp_path), [override])


def test_a_missing_and_a_broken_file_are_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml: the file is missing"):
        load_study_file(tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    with pytest.raises(UserError, match=r"broken\.yaml: cannot be read as YAML"):
        load_study_file(broken)
