import itertools
import math

import pytest
import torch

from workbench.errors import UserError
from workbench.model import FACTORS, Decoder
from workbench.model.parts.component import INITIALIZATIONS

SIMPLE = {
    "norm_placement": ["pre", "post"],
    "tied_embeddings": [False, True],
    "bias": [False, True],
    "key_value_heads": [4, 2],
}
LEVELS = [(f, n) for f in FACTORS if f != "initialization" for n in FACTORS[f].names()]
LEVELS += [(factor, level) for factor, levels in SIMPLE.items() for level in levels]


def _state(small, seed=1, **changes):
    model = Decoder(small(**changes))
    model.initialize(seed)
    return model.state_dict()


def _shared(a, b):
    return [name for name in a if name in b and a[name].shape == b[name].shape]


@pytest.mark.parametrize("level", INITIALIZATIONS.names())
def test_every_pair_of_variants_starts_from_the_same_shared_tensors(small, level):
    states = [_state(small, initialization=level, **{factor: name}) for factor, name in LEVELS]
    for a, b in itertools.combinations(states, 2):
        shared = _shared(a, b)
        assert "blocks.1.feedforward.up.weight" in shared
        assert [name for name in shared if not torch.equal(a[name], b[name])] == []


def test_shared_tensors_do_not_depend_on_depth_elsewhere(small):
    shallow, deep = _state(small), _state(small, layers=3)
    assert all(torch.equal(shallow[name], deep[name]) for name in shallow)


@pytest.mark.parametrize("level", INITIALIZATIONS.names())
def test_seeds_and_names_give_different_matrices(small, level):
    first, again, other = (_state(small, seed, initialization=level) for seed in (1, 1, 2))
    matrices = [name for name, value in first.items() if value.ndim == 2 and value.any()]
    assert len(matrices) >= 10
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert [name for name in matrices if torch.equal(first[name], other[name])] == []
    square = [first[name] for name in matrices if first[name].shape == (16, 16)]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(square, 2))


@pytest.mark.parametrize("level", INITIALIZATIONS.names())
@pytest.mark.parametrize("recipe", ["llama", "gpt2"])
def test_norm_weights_are_one_and_biases_zero_whatever_they_were(small, recipe, level):
    model = Decoder(small(recipe, initialization=level))
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 3.0)
    model.initialize(1)
    for name, value in model.state_dict().items():
        if value.ndim == 1:
            expected = torch.zeros_like if name.endswith("bias") else torch.ones_like
            assert torch.equal(value, expected(value)), name
        else:
            zero = level == "zero_output" and name.endswith(("attention.output.weight", "down.weight"))
            assert (value.std() == 0) == zero, name


def test_with_zero_outputs_every_block_starts_as_the_identity(decoder, tokens):
    model = decoder(initialization="zero_output")
    x = model.token_embedding(tokens())
    torch.testing.assert_close(model(tokens()), model.head(model.final_norm(x)))
    model(tokens()).square().sum().backward()
    assert all(block.feedforward.down.weight.grad.abs().sum() > 0 for block in model.blocks)


def test_with_zero_outputs_sandwich_norms_multiply_the_first_gradient(decoder, tokens):
    """By 1 / sqrt(eps), the slope of a norm at 0: what the docstring warns of."""
    gradients = {}
    for eps in (1e-4, 1e-6):
        norm = {"name": "rmsnorm", "eps": eps}
        model = decoder(initialization="zero_output", norm_placement="sandwich", layers=1, norm=norm)
        # the norm before the head divides by what is the same in both, but for eps
        model(tokens()).square().sum().backward()
        gradients[eps] = model.blocks[0].feedforward.down.weight.grad.norm()
    assert gradients[1e-6] / gradients[1e-4] == pytest.approx(10, rel=0.5)


WIDE = {"vocabulary": 400, "context": 300, "width": 96, "layers": 3, "heads": 4, "feedforward_width": 200}


def _deviations(small, level, **changes):
    state = _state(small, initialization=level, **(WIDE | {"positions": "learned"} | changes))
    return {name: value.std().item() for name, value in state.items() if value.ndim == 2}


@pytest.mark.parametrize("feedforward", ["swiglu", "gelu_tanh"])
def test_gpt2_scales_residual_outputs_and_the_position_table(small, feedforward):
    for name, deviation in _deviations(small, "gpt2", feedforward=feedforward).items():
        residual = name.endswith(("attention.output.weight", "feedforward.down.weight"))
        expected = 0.02 / math.sqrt(6) if residual else 0.01 if name == "positions.table" else 0.02
        assert deviation == pytest.approx(expected, rel=0.05), name


def test_llama_draws_every_matrix_alike(small):
    for name, deviation in _deviations(small, "llama").items():
        assert deviation == pytest.approx(0.02, rel=0.05), name
    for deviation in _deviations(small, {"name": "llama", "std": 0.1}).values():
        assert deviation == pytest.approx(0.1, rel=0.05)


def test_xavier_follows_the_fans(small):
    deviations = _deviations(small, "xavier")
    assert deviations["blocks.0.feedforward.up.weight"] == pytest.approx(math.sqrt(2 / 296), rel=0.05)
    assert deviations["head.weight"] == pytest.approx(math.sqrt(2 / 496), rel=0.05)
    assert deviations["token_embedding.weight"] == pytest.approx(1 / math.sqrt(96), rel=0.05)
    assert deviations["positions.table"] == pytest.approx(1 / math.sqrt(96), rel=0.05)


def test_the_loss_starts_near_uniform(small, tokens):
    for level in ("llama", "gpt2"):
        model = Decoder(small(initialization=level))
        model.initialize(3)
        loss = torch.nn.functional.cross_entropy(model(tokens(8)).flatten(0, 1), tokens(8).flatten())
        assert loss.item() == pytest.approx(math.log(19), abs=0.05)


def test_initialising_twice_gives_the_same_as_once(small):
    model = Decoder(small())
    model.initialize(2)
    model.initialize(1)
    expected = _state(small)
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


def test_std_must_be_positive(small):
    with pytest.raises(UserError, match=r"gpt2.std: -1.0 is not above 0; use for example 0.02"):
        small(initialization={"name": "gpt2", "std": -1})
