"""From a tiny search to the study that confirms its best, which passes ``check`` and runs."""

import math

import pytest
import yaml

from tests.in_process import workbench
from tests.study.studies import TINY, make_study
from workbench.files import read_yaml
from workbench.records.index import load_study
from workbench.study.promotion import fresh_offset, octave_rates

SPACE = {
    "norm": ["rmsnorm", {"name": "layernorm", "eps": 1e-4}],
    "feedforward": ["swiglu", "gelu"],
    "heads": [1, 2, 4],
    "feedforward_width": [24, 40],
    "learning_rate": {"low": 0.005, "high": 0.02, "log": True},
}


def write_tiny_search(folder, **changes):
    """A search of a few points that trains in seconds; its file is ``tiny.yaml``."""
    unused = ("factors", "learning_rates", "grid_growth", "margin")
    section = {
        "space": SPACE,
        "objectives": ["validation/loss", "flops_per_token"],
        "sampler": "random",
        "trials": 5,
    }
    path = make_study(folder)
    study = {key: value for key, value in TINY.items() if key not in unused}
    study |= {"design": "search", "search": section, "seeds": {"tune": 1}}
    study["training"] = TINY["training"] | {"tokens": 640, "evaluations": 1}
    path.write_text(yaml.safe_dump(study | changes))
    return path


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder with the results of such a search."""
    folder = tmp_path_factory.mktemp("promotion")
    write_tiny_search(folder)
    ran = workbench(folder, "run", "tiny.yaml", "--workers", "1")
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture(scope="module")
def promoted(searched):
    """The study that was written after it, as a mapping, and what was said."""
    said = workbench(searched, "promote", "tiny", "--top", "2", "--by", "validation/loss", "--margin", "0.05")
    assert said.returncode == 0, said.stderr
    return searched / "tiny-confirmed.yaml", said.stdout


def best_of(folder):
    from workbench.analysis.search import searched as search_of

    return search_of(load_study(folder / "results/tiny")).complete


def test_the_written_study_confirms_on_fresh_seeds(searched, promoted):
    study = read_yaml(promoted[0])
    assert study["design"] == "explicit"
    assert study["margin"] == 0.05
    assert study["seeds"] == {"tune": 3, "confirm": "until_decided", "offset": 10_000}
    assert 3 <= len(study["learning_rates"]) <= 5
    steps = [
        math.log2(b / a) for a, b in zip(study["learning_rates"], study["learning_rates"][1:], strict=False)
    ]
    assert all(0.9 < step < 1.1 for step in steps)
    assert "search" not in study
    assert study["training"]["tokens"] == 640
    assert study["match"] == "none"


def test_the_best_architectures_are_its_variants_and_differ_as_their_trials_did(searched, promoted):
    variants = read_yaml(promoted[0])["variants"]
    complete = best_of(searched).set_index("number")
    assert 1 <= len(variants) <= 2
    for variant in variants:
        row = complete.loc[int(variant.pop("name").removeprefix("trial "))]
        wanted = {"size": {"feedforward_width": row["feedforward_width"]}}
        if row["heads"] != 2:
            wanted["size"]["heads"] = row["heads"]
        if row["norm"] != "rmsnorm":
            wanted["norm"] = {"name": "layernorm", "eps": 1e-4}
        if row["feedforward"] != "swiglu":
            wanted["feedforward"] = "gelu"
        assert variant == wanted


def test_it_says_where_it_comes_from(searched, promoted):
    path, said = promoted
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    hash_ = load_study(searched / "results/tiny").manifest.hash
    assert f"Promoted from the search tiny (hash {hash_}" in comments[0]
    assert any("A search gives no verdict" in line for line in comments)
    assert any("learning rate" in line for line in comments)
    assert "workbench check tiny-confirmed.yaml" in said


def test_a_file_that_is_there_stays_as_it_is(searched, promoted):
    before = promoted[0].read_text()
    said = workbench(searched, "promote", "tiny", "--margin", "0.05")
    assert said.returncode == 2
    assert "tiny-confirmed.yaml: is there already, and stays as it is; give another --output" in said.stderr
    assert promoted[0].read_text() == before


def test_the_written_study_passes_check_and_runs(searched, promoted):
    checked = workbench(searched, "check", "tiny-confirmed.yaml")
    assert checked.returncode == 0, checked.stderr
    few = ["--set", "seeds.tune=1", "--set", "seeds.at_most=2", "--set", "seeds.at_least=2"]
    ran = workbench(searched, "run", "tiny-confirmed.yaml", "--workers", "1", "--set", "grid_growth=0", *few)
    assert ran.returncode == 0, ran.stderr
    confirmed = load_study(searched / "results/tiny-confirmed")
    used = set(load_study(searched / "results/tiny").runs["seed"])
    assert not used & set(confirmed.runs["seed"])
    assert set(confirmed.runs["state"]) == {"complete"}
    for variant in confirmed.manifest.variants[1:]:
        trial = best_of(searched).set_index("number").loc[int(variant.name.removeprefix("trial "))]
        assert variant.model["heads"] == trial["heads"]
        assert variant.model["feedforward_width"] == trial["feedforward_width"]
        assert variant.levels["feedforward_width"] == str(trial["feedforward_width"])


def test_results_of_that_name_are_not_gone_on_with(searched):
    said = workbench(searched, "promote", "tiny", "--margin", "0.05", "--output", "next/tiny.yaml")
    assert said.returncode == 2
    assert "has results of a study of that name; give another --output" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "--margin: is missing"),
        (
            ["--margin", "0.05", "--output", "other.yaml", "--by", "seconds"],
            "--by: 'seconds' is no objective of this search",
        ),
        (
            ["--margin", "0.05", "--output", "other.yaml", "--set", "size.layers=2"],
            "model.layers: is 2",
        ),
        (
            ["--margin", "0.05", "--output", "other.yaml", "--set", "training.batch_size=8"],
            "training.batch_size: is 8",
        ),
    ],
)
def test_what_cannot_be_promoted_is_one_clear_error(searched, arguments, wanted):
    said = workbench(searched, "promote", "tiny", *arguments)
    assert said.returncode == 2
    assert wanted in said.stderr
    assert not (searched / "other.yaml").exists()


def test_another_study_is_no_search(searched, promoted):
    (searched / "results/plain").mkdir(exist_ok=True)
    manifest = read_yaml(searched / "results/tiny/study.yaml")
    del manifest["search"]
    (searched / "results/plain/study.yaml").write_text(yaml.safe_dump(manifest | {"name": "plain"}))
    said = workbench(searched, "promote", "plain", "--margin", "0.05")
    assert said.returncode == 2
    assert "plain: is no search" in said.stderr


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """A search of two architectures, several points each, whose question would act in YAML."""
    folder = tmp_path_factory.mktemp("strange")
    space = {"norm": ["rmsnorm", "layernorm"], "learning_rate": SPACE["learning_rate"]}
    space["weight_decay"] = {"low": 0.01, "high": 0.2}
    section = {"space": space, "objectives": ["validation/loss"], "sampler": "qmc", "trials": 4}
    write_tiny_search(folder, search=section, question=STRANGE)
    ran = workbench(folder, "run", "tiny.yaml", "--workers", "1")
    assert ran.returncode == 0, ran.stderr
    return folder


STRANGE = "which: [a, b] # 'best'?\n- no\u2028\"yes\" {x} ünï"


def test_points_that_differ_in_hyperparameters_alone_are_one_variant(strange):
    said = workbench(strange, "promote", "tiny", "--margin", "0.1", "--output", "next/confirm.yaml")
    assert said.returncode == 0, said.stderr
    study = read_yaml(strange / "next/confirm.yaml")
    (variant,) = study["variants"]
    assert variant == {"name": variant["name"], "norm": "layernorm"}
    assert "learning_rates" not in study
    assert list(study["tuning"]["space"]) == ["learning_rate", "weight_decay"]
    assert len(study["tuning"]["space"]["weight_decay"]) == 1
    assert "as the baseline but for hyperparameters" in said.stdout
    assert "1 architecture among the complete trials beside the baseline's" in said.stdout


def test_strange_texts_survive(strange):
    said = workbench(strange, "promote", "tiny.yaml", "--margin", "0.1", "--output", "strange.yaml")
    assert said.returncode == 0, said.stderr
    assert STRANGE in read_yaml(strange / "strange.yaml")["question"]


def test_a_study_file_that_is_gone_is_asked_for(strange):
    (strange / "tiny.yaml").rename(strange / "moved.yaml")
    said = workbench(strange, "promote", "tiny", "--margin", "0.1", "--output", "other.yaml")
    (strange / "moved.yaml").rename(strange / "tiny.yaml")
    assert said.returncode == 2
    assert "the study file of this search is not here" in said.stderr


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ([0.004], [0.002, 0.004, 0.008]),
        ([0.002, 0.004], [0.0014, 0.0028, 0.0057]),
        ([0.002, 0.008], [0.0014, 0.0028, 0.0057, 0.011]),
        ([0.001, 0.016], [0.001, 0.002, 0.004, 0.008, 0.016]),
    ],
)
def test_rates_are_an_octave_apart_around_what_was_found(found, wanted):
    assert octave_rates(found) == wanted


def test_rates_beyond_four_octaves_cover_what_was_found():
    rates = octave_rates([1e-4, 1e-2])
    assert len(rates) == 5
    assert (rates[0], rates[-1]) == (1e-4, 1e-2)


def test_seeds_of_the_search_are_used_no_more():
    assert fresh_offset([1001, 1002]) == 10_000
    assert fresh_offset([11_002]) == 20_000
    assert fresh_offset([12_010, 21_001]) == 30_000
