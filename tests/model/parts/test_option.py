"""Options that are a choice of named levels: what the levels say, and that one more is one class."""

import pytest
import torch

from workbench.analysis.colours import COLOURS
from workbench.errors import UserError
from workbench.model import Decoder
from workbench.model.equivalence import behaviour
from workbench.model.parts.attention_gate import ATTENTION_GATES, AttentionGate
from workbench.model.parts.norm_placement import NORM_PLACEMENTS, NormPlacement
from workbench.model.parts.option import OptionRegistry

EVERY = [
    pytest.param(registry, level, id=f"{registry.option}-{level.name}")
    for registry in (NORM_PLACEMENTS, ATTENTION_GATES)
    for level in registry
]


@pytest.fixture
def unregistered():
    """Forgets at the end what a test registers."""
    before = [(registry, dict(registry._levels)) for registry in (NORM_PLACEMENTS, ATTENTION_GATES)]
    yield
    for registry, levels in before:
        registry._levels = levels


@pytest.mark.parametrize(("registry", "level"), EVERY)
def test_a_level_is_found_by_its_name_and_says_what_it_is(small, registry, level):
    assert registry.level(level.name) is level
    assert level.about
    assert level.formula
    assert ", arXiv " in level.paper
    assert level.colour in COLOURS
    config = small(**{registry.option: level.name})
    assert config.to_dict()[registry.option] == config.labels()[registry.option] == level.name
    assert type(config.to_dict()[registry.option]) is str


def test_what_the_levels_mean():
    pre, post, sandwich, parallel = NORM_PLACEMENTS
    assert [level.normalises_sums for level in (pre, post, sandwich, parallel)] == [False, True, False, False]
    assert [level.parallel for level in (pre, post, sandwich, parallel)] == [False, False, False, True]
    assert [len(level.further_norms) for level in (pre, post, sandwich, parallel)] == [0, 0, 2, 0]


def test_gates_per_token(small):
    config = small(head_width=6)
    assert [gate.outputs(config) for gate in ATTENTION_GATES] == [0, 4, 24]


def test_an_unknown_level_is_refused_with_the_known_ones(small):
    with pytest.raises(UserError, match=r"norm_placement: unknown 'pro'; did you mean 'pre'\? Known: pre"):
        small(norm_placement="pro")


def test_a_name_is_taken_once_and_a_level_says_its_facts():
    registry = OptionRegistry("norm_placement")
    facts = {"about": "none", "formula": "x", "paper": "A 2020, arXiv 1"}
    registry.register("one")(type("One", (NormPlacement,), facts))
    with pytest.raises(UserError, match="norm_placement: the name 'one' is taken"):
        registry.register("one")(type("Other", (NormPlacement,), facts))
    with pytest.raises(UserError, match="norm_placement: 'two' has no paper; write it into the class"):
        registry.register("two")(type("Two", (NormPlacement,), facts | {"paper": ""}))


@pytest.mark.usefixtures("unregistered")
def test_a_further_placement_is_one_class(small, tokens):
    @NORM_PLACEMENTS.register("output")
    class OutputNorm(NormPlacement):
        about = "norms of what each part returns; OLMo 2"
        formula = "x + norm(a(x)), x + norm(f(x))"
        paper = "OLMo Team 2024, arXiv 2501.00656"

        def forward(self, layer, x, *context):
            x = x + layer.dropout(layer.attention_norm(layer.attention(x, *context)))
            return x + layer.dropout(layer.feedforward_norm(layer.feedforward(x)))

    config = small(norm_placement="output")
    model = Decoder(config)
    model.initialize(1)
    pre = Decoder(small())
    pre.initialize(1)
    assert config.num_parameters() == model.num_parameters() == pre.num_parameters()
    assert not torch.allclose(model(tokens()), pre(tokens()))
    assert behaviour(config)["norm_placement"] == "output"


@pytest.mark.usefixtures("unregistered")
def test_a_further_gate_is_one_class(small, tokens):
    @ATTENTION_GATES.register("pairwise")
    class PairwiseGate(AttentionGate):
        about = "a gate for each half of a head"
        formula = "o := o sigmoid(W x)"
        paper = "nobody's"

        def outputs(self, sizes):
            return 2 * sizes.heads

    config = small(attention_gate="pairwise")
    model = Decoder(config)
    assert config.num_parameters() == model.num_parameters()
    assert model.blocks[0].attention.gate.weight.shape == (8, 16)
