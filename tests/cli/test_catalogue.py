"""``workbench list``: every component, option and preset, with what a reader needs to choose."""

from pathlib import Path

import pytest
from rich.console import Console

from workbench.cli.catalogue import catalogue, render_catalogue
from workbench.inspection.views import views
from workbench.model import FACTORS, ModelConfig, preset_names
from workbench.model.config import OPTIONS
from workbench.study.model_options import OPTION_LEVELS
from workbench.training.config import TrainingConfig

SIZES = {"vocabulary": 31, "context": 16, "width": 16, "layers": 2, "heads": 4}
EXAMPLES = {
    "window": 4,
    "attention_softcap": 20.0,
    "attention_scale": 1.0,
    "key_value_heads": 2,
    "qk_norm": "rmsnorm",
    "tied_embeddings": True,
    "bias": True,
    "qkv_bias": True,
    "output_bias": True,
    "dropout": 0.1,
}


def rows(kind: str) -> list[dict[str, str]]:
    return catalogue([kind], Path("nowhere"))[kind]


def shown(kind: str, width: int = 160) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render_catalogue({kind: rows(kind)}))
    return console.export_text()


def test_every_level_and_every_option_is_listed():
    listed = {(row["factor"], row["name"]) for row in rows("components")}
    assert {(factor, name) for factor, registry in FACTORS.items() for name in registry.names()} <= listed
    assert {level.option for level in OPTION_LEVELS} == {*OPTIONS, "qk_norm"}
    assert {"size", *TrainingConfig.factors()} <= {factor for factor, _ in listed}


def test_factors_of_training_have_a_list_of_their_own():
    _, _, training = shown("components").rpartition("training and size")
    listed = [row for row in rows("components") if row["name"] == "a value"]
    assert "weight_decay" in {row["factor"] for row in listed}
    for row in listed:
        assert row["factor"] in training
        assert row["about"]


@pytest.mark.parametrize("level", OPTION_LEVELS, ids=lambda level: f"{level.option}-{level.name}")
def test_option_levels_are_accepted_and_described(level):
    value = EXAMPLES.get(level.option, level.name)
    more = {"window": 4} if level.option == "attention_pattern" else {}
    assert getattr(ModelConfig(**SIZES, **{level.option: value}, **more), level.option) is not None
    assert level.about
    assert level.formula
    assert ", arXiv " in level.paper


def test_views_are_listed_by_the_name_that_inspect_takes():
    listed = {row["name"]: row for row in rows("views")}
    assert list(listed) == [view.name for view in views()]
    assert listed["formation"]["page"] == "attention"
    assert listed["formation"]["options"] == "score, threshold"
    assert all(row["about"].endswith("?") for row in listed.values())
    assert "head_scores" in shown("views")


def test_presets_say_what_they_are():
    listed = {row["name"]: row for row in rows("presets")}
    assert list(listed) == preset_names()
    assert listed["llama3-8b"] == {
        "name": "llama3-8b",
        "parameters": "8,030,261,248",
        "layers": "32",
        "width": "4096",
        "heads (kv)": "32 (8)",
        "context": "8192",
        "source": "arXiv 2407.21783, Llama team 2024, table 3 and section 3.2.1",
    }
    assert listed["gpt3-nano"]["parameters"].endswith("+ embeddings")
    assert listed["gpt3-nano"]["context"] == "the study's"


def test_the_lists_fit_a_terminal_of_160_columns_and_keep_brackets():
    text = shown("components")
    assert max(len(line) for line in text.splitlines()) <= 160
    assert "pattern[l mod" in text  # not taken for markup
    presets = shown("presets")
    assert "8,030,261,248" in presets
    assert len(presets.splitlines()) == len(preset_names()) + 5  # no row is folded
