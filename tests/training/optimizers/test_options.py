"""Optimizers and schedules in a training configuration: given, checked, written, kept."""

import importlib
import json
import shutil
import sys
from pathlib import Path

import pytest
from own_training import Signs

from tests.training.population.test_population import config, directories
from workbench.errors import RecordError, UserError
from workbench.model.config import ModelConfig
from workbench.model.parts.component import Registry
from workbench.model.parts.foreign_sources import source_of
from workbench.records.execution import Execution
from workbench.records.run import PARTS, config_hash, run_id
from workbench.study.kept_parts import keep_parts
from workbench.training.config import TrainingConfig
from workbench.training.optimizers import OPTIMIZERS, Optimizer
from workbench.training.run import Run
from workbench.training.schedules import SCHEDULES, Schedule
from workbench.user_input import read_as

PUBLISHED = Path(__file__).parents[3] / "results" / "published" / "quickstart"
LEVELS = [("optimizer", name) for name in OPTIMIZERS.names()] + [("schedule", n) for n in SCHEDULES.names()]


def training(**changes):
    return read_as(TrainingConfig, {"tokens": 1000, "batch_size": 4, **changes}, under="training")


def test_the_usual_levels_are_in_no_record_however_they_are_written():
    plain = training()
    written = plain.model_dump(mode="json")
    assert "optimizer" not in written
    assert "schedule" not in written
    for optimizer in ("adamw", {"name": "adamw"}):
        same = training(optimizer=optimizer, schedule={"name": "cosine"})
        assert same == plain
        assert same.model_dump(mode="json") == written


def test_nothing_else_is_left_out():
    written = training(clip=None, optimizer="lion").model_dump(mode="json")
    as_usual = {"schedule", "rate_multiplier", "draws", "samples"}
    assert written.keys() == TrainingConfig.model_fields.keys() - as_usual - Execution.model_fields.keys()
    twin = training(draws="twin", rate_multiplier=1.1).model_dump(mode="json")
    assert (twin["draws"], twin["rate_multiplier"]) == ("twin", 1.1)
    assert written["clip"] is None
    assert training(**written).clip is None


def test_run_ids_of_published_studies_hold():
    paths = sorted(PUBLISHED.glob("runs/*/run.json"))
    assert len(paths) > 3
    for path in paths:
        record = json.loads(path.read_text())
        own = record["config"]["training"]
        read = TrainingConfig(**{key: value for key, value in own.items() if key != "device"})
        assert (read.optimizer, read.schedule) == ("adamw", "cosine")
        again = record["config"] | {"training": read.model_dump(mode="json") | {"device": own["device"]}}
        rates = record.get("hyperparameters") or {"learning_rate": record["learning_rate"]}
        assert run_id(again, record["phase"], rates, record["seed"]) == path.parent.name


@pytest.mark.parametrize(("key", "name"), LEVELS)
def test_a_level_is_read_back_as_it_was_written(key, name):
    given = training(**{key: name})
    assert training(**given.model_dump(mode="json")) == given
    assert hash(training(**{key: {"name": name}})) == hash(given)
    registry = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}[key]
    level = registry.get(name)
    assert level.title
    assert level.paper
    assert level.formula
    written = given.model_dump(mode="json").get(key, {"name": name})
    assert json.loads(json.dumps(written)) == registry.config(name).to_dict()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"name": "lion"}, "lion"),
        ({"name": "lion", "betas": [0.9, 0.99]}, "lion"),
        ({"name": "lion", "betas": [0, "9e-1"]}, {"name": "lion", "betas": (0.0, 0.9)}),
        ({"name": "sgd", "momentum": 0}, {"name": "sgd", "momentum": 0.0, "nesterov": False}),
        ({"name": "muon", "adamw_rate": 1}, "muon"),
    ],
)
def test_equal_options_are_one_configuration_however_written(one, other):
    first, second = training(optimizer=one), training(optimizer=other)
    assert first == second
    assert config_hash({"training": first.model_dump(mode="json")}) == config_hash(
        {"training": second.model_dump(mode="json")}
    )
    assert first != training()


def test_what_is_written_has_all_options_and_their_label_only_the_changed():
    given = training(optimizer={"name": "sgd", "momentum": 0.5}, schedule={"name": "wsd", "shape": "linear"})
    written = given.model_dump(mode="json")
    assert written["optimizer"] == {"name": "sgd", "momentum": 0.5, "nesterov": False}
    assert written["schedule"] == {"name": "wsd", "decay": 0.2, "shape": "linear"}
    assert (given.optimizer.label, given.schedule.label) == ("sgd(momentum=0.5)", "wsd(shape=linear)")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "adamv"}, r"^training\.optimizer: unknown level 'adamv'; did you mean 'adam'\?"),
        ({"optimizer": None}, r"^training\.optimizer: None names no level; .*Known: .*lion"),
        ({"optimizer": ["lion"]}, r"^training\.optimizer: \['lion'\] names no level"),
        ({"optimizer": {"betas": [0.9, 0.99]}}, r"^training\.optimizer: .* names no level"),
        ({"optimizer": "cosine"}, r"^training\.optimizer: unknown level 'cosine'"),
        ({"optimizer": {"name": "adamw", "beta": 1}}, r"^training\.optimizer: adamw: unknown option 'beta'"),
        (
            {"optimizer": {"name": "adamw", "betas": [0.9, 0.99]}},
            r"^training\.optimizer: adamw: .*'betas'.*training\.betas",
        ),
        ({"optimizer": {"name": "adam", "weight_decay": 0}}, r"training\.weight_decay"),
        ({"optimizer": {"name": "lion", "betas": [0.9]}}, r"lion\.betas: expected two numbers"),
        ({"optimizer": {"name": "lion", "betas": [0.9, 1.0]}}, r"lion\.betas: 1\.0 is not in \[0, 1\)"),
        ({"optimizer": {"name": "lion", "betas": ["a", 1.0]}}, r"lion\.betas: expected a number, got 'a'"),
        ({"optimizer": {"name": "lion", "betas": 0.9}}, r"lion\.betas: expected a list"),
        ({"optimizer": {"name": "sgd", "momentum": -0.1}}, r"sgd\.momentum: -0\.1 is not in \[0, 1\)"),
        ({"optimizer": {"name": "sgd", "momentum": 0, "nesterov": True}}, r"sgd\.nesterov: needs a momentum"),
        ({"optimizer": {"name": "muon", "iterations": 0}}, r"muon\.iterations: 0 is not from 1 to 99"),
        (
            {"optimizer": {"name": "muon", "scale": "keller"}},
            r"muon\.scale: expected one of 'moonshot', 'jordan'",
        ),
        ({"optimizer": {"name": "muon", "adamw_rate": 0}}, r"muon\.adamw_rate: 0\.0 is not above 0"),
        ({"optimizer": {"name": "adafactor", "beta2_decay": 0.8}}, r"adafactor\.beta2_decay: 0\.8 is not in"),
        ({"optimizer": {"name": "adafactor", "threshold": 0.5}}, r"adafactor\.threshold: 0\.5 is below 1"),
        ({"optimizer": {"name": "adafactor", "smallest_scale": 0}}, r"adafactor\.smallest_scale: 0\.0"),
        ({"optimizer": "own_training:Stairs"}, r"^training\.optimizer: .* is a level of schedule"),
        ({"optimizer": "own_training:Stepless"}, r"own_training:Stepless is no torch\.optim\.Optimizer"),
        ({"optimizer": "own_training:Nothing"}, r"^training\.optimizer: own_training has no class 'Nothing'"),
        (
            {"optimizer": "torch.optim:SGD"},
            r"derive the class from workbench\.training\.optimizers\.Optimizer",
        ),
        ({"optimizer": "own_training:Optimizer"}, r"is what levels derive from"),
        ({"schedule": "cosin"}, r"^training\.schedule: unknown level 'cosin'; did you mean 'cosine'\?"),
        (
            {"schedule": {"name": "own_training:Stairs", "landings": {"a": 1}}},
            r"Stairs: an option holds a mapping",
        ),
        ({"schedule": True}, r"^training\.schedule: true names no level"),
        ({"schedule": {"name": "wsd", "decay": 0}}, r"wsd\.decay: 0\.0 is not above 0"),
        ({"schedule": {"name": "wsd", "shape": "cosine"}}, r"wsd\.shape: expected one of 'sqrt', 'linear'"),
        (
            {"schedule": {"name": "wsd", "decay": 0.8}, "warmup": 0.3},
            r"^training: wsd\.decay: 0\.8 of the steps and training\.warmup \(0\.3\)",
        ),
        (
            {"schedule": {"name": "cosine", "final_rate": 0.1}},
            r"cosine: .*'final_rate'.*training\.final_rate",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_key_and_what_to_write(changes, message):
    with pytest.raises(UserError, match=message) as error:
        training(**changes)
    assert "\n" not in str(error.value)


def test_a_level_of_ones_own_has_its_code_in_the_configuration():
    own = training(optimizer={"name": "own_training:Signs", "slower": 2}, schedule="own_training:Stairs")
    digest = source_of(Signs).digest
    written = own.model_dump(mode="json")
    assert written["optimizer"] == {"name": "own_training:Signs", "source": digest, "slower": 2.0}
    assert written["schedule"] == {
        "name": "own_training:Stairs",
        "source": digest,
        "tread": 0.5,
        "landings": [],
    }
    assert [level.name for level in own.foreign_parts] == ["own_training:Signs", "own_training:Stairs"]
    assert training(**written) == own
    assert training().foreign_parts == training(optimizer="lion").foreign_parts == []


SOURCE = """
import torch
from workbench.training.optimizers import Optimizer, parameter_groups


class Slow(Optimizer, torch.optim.SGD):
    def __init__(self, config, module, training, learning_rate):
        super().__init__(parameter_groups(module.parameters(), 0.0), lr=learning_rate / {slower})
"""


def test_a_run_goes_on_with_the_code_that_its_study_kept(tmp_path, corpus, monkeypatch):
    module = tmp_path / "slow_training.py"
    module.write_text(SOURCE.format(slower=2))
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    settings = config({"optimizer": "slow_training:Slow"})
    (directory,) = directories(tmp_path / "results" / "s", settings, [(0.01, 1)])
    read = Run(directory, corpus)
    keep_parts([ModelConfig.from_dict(settings["model"])], read.study, [read.training])
    assert len(list((read.study / PARTS).iterdir())) == 1

    module.write_text(SOURCE.format(slower=5))
    sys.modules.pop("slow_training")
    importlib.invalidate_caches()
    kept = Run(directory, corpus).training
    assert kept.model_dump(mode="json")["optimizer"] == settings["training"]["optimizer"]
    assert "/parts/" in sys.modules[kept.optimizer.component.__module__].__file__
    shutil.rmtree(read.study / PARTS)
    with pytest.raises(RecordError, match=r"optimizer.*slow_training:Slow .*nor kept in"):
        Run(directory, corpus)


@pytest.mark.parametrize("base", [Optimizer, Schedule])
def test_a_level_needs_a_paper_and_a_formula(base):
    registry = Registry(base.factor, "here")
    with pytest.raises(UserError, match="has no paper"):
        registry.register("own")(type("Own", (base,), {}))
