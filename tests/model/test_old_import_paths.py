"""Parts written against the paths from before ``parts`` had a folder of its own."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

from tests.model.levels import SMALL
from workbench.model import ModelConfig
from workbench.model.old_import_paths import NAMES

ROOT = Path(__file__).parents[2]
LEVELS = {
    "norm": {"name": "older_parts:Halved", "by": 4},
    "positions": "older_parts:Steeper",
    "feedforward": "older_parts:Linear",
    "initialization": "older_parts:Small",
}
# What a process that has imported nothing yet does with them: prints the record, and the logits' sum.
FRESH = """
import json, sys
import torch
import workbench.model.norms
from workbench.model import Decoder, preset
model = Decoder(preset("llama", **json.loads(sys.argv[1])))
model.initialize(1)
print(json.dumps([model.config.to_dict(), model(torch.arange(6)[None]).sum().item()]))
"""


@pytest.mark.parametrize("name", NAMES)
def test_an_old_path_is_the_module_itself(name):
    module = import_module(f"workbench.model.{name}")
    assert module is import_module(f"workbench.model.parts.{name}")
    assert getattr(import_module("workbench.model"), name) is module


def test_parts_on_old_paths_are_levels(decoder, small, tokens):
    model = decoder(**LEVELS)
    assert model(tokens()).isfinite().all()
    assert set(model.config.foreign_parts) == set(LEVELS)
    assert model.blocks[0].attention_norm.config.by == 4
    assert ModelConfig.from_dict(json.loads(json.dumps(model.config.to_dict()))) == model.config
    x = torch.randn(2, 16)
    halved = small(norm=LEVELS["norm"]).norm.build(16)
    assert torch.equal(halved(x), small(norm="rmsnorm").norm.build(16)(x) / 4)
    assert decoder(positions="older_parts:Half").positions.rotary_width == 2


def test_they_are_in_a_process_that_has_imported_nothing(decoder):
    code = [sys.executable, "-c", FRESH, json.dumps(SMALL | LEVELS)]
    here = os.environ | {"PYTHONPATH": str(ROOT / "tests" / "user_parts")}
    found = subprocess.run(code, capture_output=True, text=True, cwd=ROOT, env=here, timeout=120)
    assert found.returncode == 0, found.stderr
    record, total = json.loads(found.stdout)
    model = decoder(**LEVELS)
    assert record == json.loads(json.dumps(model.config.to_dict()))
    assert total == pytest.approx(model(torch.arange(6)[None]).sum().item(), abs=1e-5)
