"""Study files: what is accepted, and errors that name file, key and remedy."""

from pathlib import Path

import pytest
import yaml

from workbench.cli.bench import BENCHMARKS
from workbench.errors import UserError
from workbench.records.archive import ARCHIVE
from workbench.records.index import PUBLISHED
from workbench.study import schema
from workbench.study.schema import (
    RATES,
    TAKEN_NAMES,
    find_study_file,
    load_study_file,
    parse_study,
    study_files,
)
from workbench.trained.imports import STUDY as IMPORTED
from workbench.user_numbers import LARGEST_SEED
from workbench.yaml_text import parse_yaml

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
    seeds = parse(seeds={"tune": 3, "confirm": 8}).seeds.lists()
    everything = [seed for phase in seeds.values() for seed in phase]
    assert len(everything) == len(set(everything)) == 11


@pytest.mark.parametrize("pilot", [0, 3, [7, 2_001]])
def test_a_pilot_of_an_older_file_is_read_and_changes_nothing(pilot):
    """Nor need it have seeds of its own any more."""
    old, new = parse(seeds={"pilot": pilot, "tune": 3, "confirm": 8}), parse(seeds={"tune": 3, "confirm": 8})
    assert (old.seeds.lists(), old.phases) == (new.seeds.lists(), new.phases)


def test_an_offset_moves_every_seed_that_is_given_as_a_count():
    plain = parse(seeds={"tune": 3, "confirm": "until_decided"}).seeds.lists()
    fresh = parse(seeds={"tune": 3, "confirm": "until_decided", "offset": 10_000}).seeds.lists()
    assert fresh["tune"] == [11_001, 11_002, 11_003]
    assert fresh["confirm"] == [seed + 10_000 for seed in plain["confirm"]]
    listed = parse(seeds={"tune": [7], "confirm": 2, "offset": 5}).seeds.lists()
    assert listed["tune"] == [7]
    assert listed["confirm"] == [2_006, 2_007]


def test_more_seeds_keep_the_first_ones():
    few, many = parse(seeds={"confirm": 3}).seeds.lists(), parse(seeds={"confirm": 8}).seeds.lists()
    assert many["confirm"][:3] == few["confirm"]


def test_one_learning_rate_leaves_nothing_to_tune():
    assert parse().phases == ["confirm"]
    assert parse(learning_rates=[0.001, 0.002]).phases == ["tune", "confirm"]


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
        # A key is shown whatever it is called, also as pydantic calls the branches of a union.
        ({"[red]x[/red]": 1}, r"study\.yaml: \[red\]x\[/red\]: unknown key"),
        ({"training": {"int": 5} | MINIMAL["training"]}, r"training\.int: unknown key"),
        ({"size": {"list[int]": 5}}, r"size\.list\[int\]: unknown key"),
        ({"factors": {"norm[a]": [["b"]]}}, r"study\.yaml: factors\.norm\[a\]\.0: "),
        ({"training": {"batch_size": 2}}, r"training\.tokens: this key is needed and missing"),
        ({"training": {"tokens": -1, "batch_size": 2}}, r"training\.tokens: .*greater than 0, got -1"),
        ({"design": "one_by_one"}, r"design: .*'one_at_a_time'.*got 'one_by_one'"),
        ({"design": "explicit"}, "design explicit needs the key 'variants'"),
        ({"design": "leave_one_out", "factors": {}}, "design leave_one_out needs the key 'reference'"),
        ({"reference": "gpt2"}, "design one_at_a_time has no use for the key 'reference'"),
        ({"factors": {"norm": ["rmsnorm"]}}, "factor 'norm' needs at least two levels"),
        ({"seeds": {"tune": [1, 2], "confirm": [2, 3]}}, r"tune and confirm share seeds \[2\]"),
        ({"seeds": {"confirm": 0}}, "confirm phase needs at least one seed"),
        ({"seeds": {"confirm": [1, 1]}}, "seeds must be different"),
        ({"learning_rates": [0.1, 0.1]}, "each learning rate once"),
        ({"learning_rates": [0.1, 0.2], "seeds": {"tune": 0}}, r"need seeds\.tune of at least 1"),
        ({"margin": 0}, "margin: .*greater than 0"),
        ({"margin": {"default": 0.02, "norm": -1}}, r"margin\.norm: .*greater than 0"),
        ({"margin": {"default": 0.02, "norm": "4 %"}}, r"margin\.norm: .*valid number"),
        ({"margin": {"norm": 0.04}}, r"margin: has no 'default'.*write \{default: 0.02, norm: 0.04\}"),
        ({"margin": {}}, "margin: has no 'default'"),
        (
            {"metric": "accuracy"},
            "metric: unknown metric 'accuracy'; Known: validation/loss, validation/bits_per_byte",
        ),
        ({"name": "../escape"}, "name: "),
    ],
)
def test_every_mistake_names_its_key_and_the_remedy(changes, message):
    with pytest.raises(UserError, match=message):
        parse(**changes)


TRAINING = MINIMAL["training"]
LETTERS = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ("margin: .inf", ["margin: ", "finite"]),
        ("margin: .nan", ["margin: ", "got nan"]),
        ("margin: 1:30", ["margin: 1:30", "base 60"]),
        ("margin: 0,5", ["margin: 0,5", "write 0.5"]),
        ("margin:", ["margin: stands without a value"]),
        ("training:", ["training: stands without a value"]),
        ("training: {tokens: 1e30, batch_size: 2}", ["training.tokens: ", "1000000000000000"]),
        ("training: {tokens: '20,000', batch_size: 2}", ["training.tokens: 20,000", "write 20_000"]),
        ("training: {tokens: 20.000, batch_size: 2}", ["training.tokens: 20.000", "20 or 20_000"]),
        ("training: {tokens: 20.000.000, batch_size: 2}", ["training.tokens: 20.000.000", "20_000_000"]),
        ("seeds: {confirm: 1.000}", ["seeds.confirm: 1.000", "1 or 1_000"]),
        ("training: {tokens: 01000, batch_size: 2}", ["training.tokens: 01000", "leading zero"]),
        ("training: {tokens: 1000.5, batch_size: 2}", ["training.tokens: ", "valid integer"]),
        ("training: {tokens: true, batch_size: 2}", ["training.tokens: true is no number"]),
        ("training: {tokens: 1000, batch_size: 1000000000}", ["training.batch_size: "]),
        ("training: {tokens: 1000, batch_size: 2, threads: 1000000}", ["training.threads: "]),
        ("training: {tokens: 1000, batch_size: 2, threads: 4000}", ["training.threads: 4,000", "cores"]),
        (
            "training: {tokens: 1000, batch_size: 2, betas: [2, -1]}",
            ["training.betas.0: ", "training.betas.1: "],
        ),
        ("training: {tokens: 1000, batch_size: 2, betas: [.nan, 0.9]}", ["training.betas.0: "]),
        ("training: {tokens: 1000, batch_size: 2, betas: [0.9, 1]}", ["training.betas.1: "]),
        ("training: {tokens: 1000, batch_size: 2, weight_decay: .inf}", ["training.weight_decay: "]),
        ("training: {tokens: 1000, batch_size: 2, epsilon: .inf}", ["training.epsilon: "]),
        ("training: {tokens: 1000, batch_size: 2, probes: .inf}", ["training.probes: "]),
        ("training: {tokens: 1000, batch_size: 2, clip: .inf}", ["training.clip: "]),
        (
            "training: {tokens: 1000, batch_size: 2, evaluations: 17}",
            ["training.evaluations: 17", "16 or fewer"],
        ),
        ("size: {layers: true}", ["size.layers: true is no number"]),
        ("size: {layers: 1000000}", ["size.layers: "]),
        ("size: {width: 1e9}", ["size.width: "]),
        ("size: {feedforward_width: 1099511627776}", ["size.feedforward_width: "]),
        ("context: 1e12", ["context: "]),
        ("learning_rates: [1e-12]", ["learning_rates.0: "]),
        ("learning_rates: [1e-300, 0.1]", ["learning_rates.0: "]),
        ("learning_rates: [.nan]", ["learning_rates.0: "]),
        ("grid_growth: true", ["grid_growth: true is no number"]),
        ("seeds: {confirm: [9007199254740994]}", ["seeds.confirm: ", "2^53"]),
        ("seeds: {confirm: [1.5]}", ["seeds.confirm: ", "whole numbers"]),
        ("seeds: {pilot: true}", ["seeds.pilot: true is no number"]),
        ("seeds: {pilot: 1001}", ["seeds.pilot: ", "from 0 to 1,000"]),
        ("name: published", ["name: 'published'", "another name"]),
        ("name: Imported", ["name: 'Imported'"]),
        ("name: benchmarks", ["name: 'benchmarks'"]),
        ("name: a..b", ["name: 'a..b'"]),
        ("name: a.", ["name: 'a.'"]),
        ("name: a.tmp", ["name: 'a.tmp'"]),
        ("name: my study", ["name: 'my study'", "write 'name: my-study'"]),
        ("name: on", ["name: ", "put it in quotes"]),
        ("name: 2024", ["name: ", "put it in quotes"]),
        ("question: 3", ["question: ", "put it in quotes"]),
        ("factors: {norm: [[a], b]}", ["factors.norm.0: input should be a valid string, valid boolean"]),
        ("factors: {on: [a, b]}", ["factors.1: ", "put it in quotes"]),
        (
            f"{{design: full_factorial, factors: {dict.fromkeys('abcdefgh', LETTERS)}}}",
            ["factors: 6,561 variants", "512"],
        ),
        (
            "seeds: {pilot: 0, tune: 0, confirm: 1000}\nfactors: {norm: [%s]}" % ("a, " * 200),
            ["seeds: 200,000 trials"],
        ),
    ],
)
def test_what_would_betray_later_is_one_line_per_key_now(changes, parts):
    with pytest.raises(UserError) as caught:
        parse_study(MINIMAL | parse_yaml(changes), source="study.yaml", complete=False)
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert len(message.splitlines()) <= 2
    assert len(message) < 400


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ("training: {tokens: 2e4, batch_size: 2}", 20_000),
        ("training: {tokens: 20000.0, batch_size: 2}", 20_000),
        ("training: {tokens: 2.0e+4, batch_size: 2}", 20_000),
        ("training: {tokens: 20_000, batch_size: 2}", 20_000),
        ("training: {tokens: '20000', batch_size: 2}", 20_000),
    ],
)
def test_a_whole_number_may_be_written_in_every_usual_way(changes, found):
    tokens = parse(**parse_yaml(changes)).training.tokens
    assert (tokens, type(tokens)) == (found, int)


def test_the_widest_values_are_accepted():
    study = parse(learning_rates=list(RATES), seeds={"confirm": [LARGEST_SEED]}, name="a.b-c_1.5")
    assert study.learning_rates == list(RATES)
    assert study.seeds.confirm == [LARGEST_SEED]
    assert parse(training=TRAINING | {"evaluations": 16}).training.steps(32) == 16


def test_evaluations_that_were_left_out_are_as_many_as_there_are_steps():
    few = parse(training={"tokens": 256, "batch_size": 2}).training
    assert few.budget_problem(32) is None
    assert few.fitted(32).evaluations == few.fitted(32).steps(32) == 4
    assert few.fitted(2).evaluations == 10


def test_names_that_are_taken_are_the_folders_beside_the_studies():
    assert set(TAKEN_NAMES) == {PUBLISHED, IMPORTED, BENCHMARKS.name, ARCHIVE}


def test_an_alias_that_stands_for_much_is_shown_in_short(tmp_path):
    levels = "[" + ", ".join(["x"] * 500) + "]"
    (tmp_path / "s.yaml").write_text(f"a: &a {levels}\nquestion: [{', '.join(['*a'] * 300)}]\n")
    with pytest.raises(UserError) as caught:
        load_study_file(tmp_path / "s.yaml", complete=False)
    assert "question: input should be a valid string" in str(caught.value)
    assert max(map(len, str(caught.value).splitlines())) < 500


def test_a_study_file_with_a_blank_in_its_name_is_told_to_have_one(tmp_path):
    path = tmp_path / "my study.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in MINIMAL.items() if key != "name"}))
    with pytest.raises(UserError, match=r"name: 'my study' .*write 'name: my-study'.*rename the file"):
        load_study_file(path)
    path.write_text(yaml.safe_dump(MINIMAL | {"name": "mine"}))
    assert load_study_file(path).name == "mine"


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
        ("size={layers: 1, layers: 2}", "'layers' stands twice"),
        ("training.tokens=20,000", "write 20_000"),
        ("training.tokens=1:30", "base 60"),
        ("training.tokens=010", "leading zero"),
        ("size=" + "[" * 100_000, "nested deeper"),
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


def test_studies_that_are_shipped_stand_beside_ones_own_which_go_before_their_namesakes(
    tmp_path, monkeypatch
):
    shipped = tmp_path / "shipped"
    monkeypatch.setattr(schema, "_SHIPPED", shipped)
    monkeypatch.chdir(tmp_path)
    for path in (shipped / "quickstart.yaml", shipped / "norms.yaml"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("question: as shipped\n")
    assert study_files() == [shipped / "norms.yaml", shipped / "quickstart.yaml"]
    Path("ablations").mkdir()
    for name in ("mine.yaml", "norms.yaml"):
        Path("ablations", name).write_text("question: my own\n")
    own = [Path("ablations/mine.yaml"), Path("ablations/norms.yaml")]
    assert study_files() == [*own, shipped / "quickstart.yaml"]
    assert find_study_file(Path("norms")) == Path("ablations/norms.yaml")
    assert find_study_file(Path("quickstart")) == shipped / "quickstart.yaml"
