"""What is read from the source of the parts is what their classes say."""

import subprocess
import sys
from pathlib import Path

import pytest

from workbench.analysis.answers import level_name
from workbench.analysis.colours import COLOURS, level_colours
from workbench.analysis.level_facts import LevelFacts, level_facts
from workbench.model.parts.attention_gate import ATTENTION_GATES
from workbench.model.parts.component import FACTORS
from workbench.model.parts.norm_placement import NORM_PLACEMENTS
from workbench.training.optimizers import OPTIMIZERS
from workbench.training.schedules import SCHEDULES

REGISTRIES = (*FACTORS.values(), OPTIMIZERS, SCHEDULES)
CLASSES = [(registry.factor, registry.get(name)) for registry in REGISTRIES for name in registry.names()]
CLASSES += [(levels.option, level) for levels in (NORM_PLACEMENTS, ATTENTION_GATES) for level in levels]


def test_every_registered_level_is_read_as_its_class_says():
    said = [
        LevelFacts(factor=factor, name=level.name, title=level.title, colour=level.colour)
        for factor, level in CLASSES
    ]
    assert set(level_facts()) == set(said)
    assert len(level_facts()) == len(said) >= 29
    assert level_colours() == {level.name: COLOURS[level.colour] for level in level_facts() if level.colour}
    assert list(dict.fromkeys(level.factor for level in level_facts()))[:2] == ["positions", "norm"]


@pytest.mark.parametrize(
    ("factor", "label", "title"),
    [
        ("positions", "rope(base=500000)", "RoPE (base=500000)"),
        ("positions", "learned", "learned positions"),
        ("positions", "none", "no positions"),
        ("norm", "none", "no norm"),
        ("qk_norm", "rmsnorm", "RMSNorm"),
        ("qk_norm", "none", "no qk norm"),
        ("attention_gate", "none", "no attention gate"),
        ("feedforward", "gelu_tanh", "GELU (tanh)"),
        ("initialization", "gpt2", "GPT-2"),
        ("initialization", "xavier", "xavier"),
        ("norm_placement", "sandwich", "sandwich"),
        ("norm", "my_parts:Own", "my_parts:Own"),
        ("optimizer", "lion(betas=(0.9, 0.98))", "Lion (betas=(0.9, 0.98))"),
        ("schedule", "wsd", "WSD"),
    ],
)
def test_levels_are_written_as_they_have_been(factor, label, title):
    assert level_name(factor, label) == title


def test_a_report_needs_no_torch():
    code = (
        "import sys; from workbench.analysis.answers import level_name; from workbench.analysis.colours "
        "import colour_of; print(level_name('norm', 'rmsnorm'), colour_of('rope'), 'torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert answer.stdout.split() == ["RMSNorm", "#0072B2", "False"], answer.stderr
