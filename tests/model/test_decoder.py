import copy
import itertools
import math

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.model import FACTORS, Decoder
from workbench.model.decoder import TWIN_MATRIX
from workbench.model.dropout import Dropout
from workbench.model.parts.component import FEEDFORWARDS, INITIALIZATIONS, NORMS, POSITIONS
from workbench.seeds import generator

EVERY = list(itertools.product(POSITIONS.names(), NORMS.names(), FEEDFORWARDS.names()))
ABSOLUTE = ("learned", "sinusoidal")


def _wake(model):
    """Larger matrices than at the start, so that every path is seen in the logits."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                parameter.copy_(torch.randn(parameter.shape, generator=generator("wake", name)) * 0.2)
    return model


@pytest.mark.parametrize(("positions", "norm", "feedforward"), EVERY)
@torch.no_grad()
def test_a_token_changes_nothing_before_it(decoder, tokens, positions, norm, feedforward):
    model = _wake(decoder(positions=positions, norm=norm, feedforward=feedforward))
    before, changed = tokens(), tokens()
    changed[:, 6] = (changed[:, 6] + 1) % 19
    first, second = model(before), model(changed)
    torch.testing.assert_close(first[:, :6], second[:, :6], atol=1e-6, rtol=0)
    for t in (6, 7, 11):
        assert (first[:, t] - second[:, t]).abs().max() > 1e-4, f"position {t} does not see token 6"


@pytest.mark.parametrize("placement", ["pre", "post"])
@pytest.mark.parametrize("name", POSITIONS.names())
@torch.no_grad()
def test_only_absolute_positions_notice_a_shift(decoder, tokens, name, placement):
    model = _wake(decoder(positions=name, norm_placement=placement, context=64))
    ids = torch.arange(12)
    change = (model(tokens(), ids) - model(tokens(), ids + 37)).abs().max()
    assert model.positions.relative == (name not in ABSOLUTE)
    assert change <= 1e-5 if model.positions.relative else change > 1e-2


@pytest.mark.parametrize("name", [name for name in POSITIONS.names() if name != "none"])
@torch.no_grad()
def test_position_codes_tell_the_order(decoder, tokens, name):
    """The same tokens in another order before the last one; without a code, one layer cannot tell."""
    model = _wake(decoder(positions=name, layers=1))
    ordered, swapped = tokens(), tokens()
    swapped[:, [2, 5]] = swapped[:, [5, 2]]
    assert not torch.equal(ordered, swapped)
    assert (model(ordered)[:, -1] - model(swapped)[:, -1]).abs().max() > 1e-3
    blind = _wake(decoder(positions="none", layers=1))
    torch.testing.assert_close(blind(ordered)[:, -1], blind(swapped)[:, -1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", POSITIONS.names())
@torch.no_grad()
def test_default_positions_count_from_zero(decoder, tokens, name):
    model = decoder(positions=name)
    assert torch.equal(model(tokens()), model(tokens(), torch.arange(12)))


@pytest.mark.parametrize("name", [name for name in POSITIONS.names() if name != "learned"])
@torch.no_grad()
def test_codes_without_a_table_read_longer_texts(decoder, tokens, name):
    model = decoder(positions=name)
    longer = model(tokens(2, 40))
    assert longer.shape == (2, 40, 19)
    torch.testing.assert_close(longer[:, :12], model(tokens(2, 40)[:, :12]), atol=1e-5, rtol=1e-5)


def test_learned_positions_refuse_what_their_table_lacks(decoder, tokens):
    model = decoder(positions="learned")
    message = r"learned has a table of 12 positions and is asked for 13; raise context to 13"
    with pytest.raises(UserError, match=message):
        model(tokens(2, 13))
    with pytest.raises(UserError, match=message):
        model(tokens(), torch.arange(1, 13))


def test_position_ids_need_one_entry_per_token(decoder, tokens):
    with pytest.raises(UserError, match=r"position_ids: expected shape \(12,\), one per token, got \(5,\)"):
        decoder()(tokens(), torch.arange(5))


def _by_hand(model, tokens):
    """The llama recipe from its equations, with the model's parameters, in float64."""
    p = {name: value.double() for name, value in model.named_parameters()}
    x = p["token_embedding.weight"][tokens]

    def norm(x, weight):
        return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weight

    def turn(x):
        angle = torch.arange(x.shape[2]).double()[:, None] * torch.tensor([1.0, 1e-2]).double()
        pair = torch.complex(x[..., :2], x[..., 2:]) * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([pair.real, pair.imag], -1)

    for i in range(2):
        layer = {
            key.removeprefix(f"blocks.{i}."): v for key, v in p.items() if key.startswith(f"blocks.{i}.")
        }
        y = norm(x, layer["attention_norm.weight"])
        q, k, v = (
            (y @ layer[f"attention.{part}.weight"].T).unflatten(-1, (4, 4)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        scores = turn(q) @ turn(k).transpose(-1, -2) / 2
        scores = scores.masked_fill(torch.ones(12, 12).triu(1).bool(), -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + mixed @ layer["attention.output.weight"].T
        y = norm(x, layer["feedforward_norm.weight"])
        gate = y @ layer["feedforward.gate.weight"].T
        hidden = gate / (1 + torch.exp(-gate)) * (y @ layer["feedforward.up.weight"].T)
        x = x + hidden @ layer["feedforward.down.weight"].T
    return norm(x, p["final_norm.weight"]) @ p["head.weight"].T


@torch.no_grad()
def test_llama_agrees_with_its_equations(decoder, tokens):
    model = _wake(decoder())
    torch.testing.assert_close(model(tokens()).double(), _by_hand(model, tokens()), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("placement", ["pre", "post"])
@torch.no_grad()
def test_gpt2_agrees_with_torch_layers(decoder, tokens, placement):
    """The whole gpt2 recipe against nn.TransformerEncoderLayer, which shares no code with ours."""
    model = _wake(decoder("gpt2", norm_placement=placement))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, generator=generator(name))
    x = model.token_embedding.weight[tokens()] + model.positions.table
    causal = torch.full((12, 12), -math.inf).triu(1)
    pre = placement == "pre"
    for block in model.blocks:
        layer = torch.nn.TransformerEncoderLayer(16, 4, 24, 0.0, _gelu_tanh, batch_first=True, norm_first=pre)
        layer.load_state_dict(_torch_names(block))
        x = layer(x, src_mask=causal)
    x = F.layer_norm(x, (16,), model.final_norm.weight, model.final_norm.bias) if pre else x
    expected = x @ model.token_embedding.weight.T
    torch.testing.assert_close(model(tokens()), expected, atol=1e-4, rtol=1e-4)


def _gelu_tanh(x):
    return F.gelu(x, approximate="tanh")


def _torch_names(block):
    attention, feedforward = block.attention, block.feedforward
    parts = (attention.query, attention.key, attention.value)
    state = {
        "self_attn.in_proj_weight": torch.cat([part.weight for part in parts]),
        "self_attn.in_proj_bias": torch.cat([part.bias for part in parts]),
    }
    pairs = {
        "self_attn.out_proj": attention.output,
        "linear1": feedforward.up,
        "linear2": feedforward.down,
        "norm1": block.attention_norm,
        "norm2": block.feedforward_norm,
    }
    for name, module in pairs.items():
        state |= {f"{name}.weight": module.weight, f"{name}.bias": module.bias}
    return state


@torch.no_grad()
def test_post_placement_normalises_each_sum(decoder, tokens):
    model = _wake(decoder(norm_placement="post", norm={"name": "layernorm", "bias": False}))
    stream = []
    model.blocks[1].register_forward_hook(lambda module, args, output: stream.append(output))
    logits = model(tokens())
    torch.testing.assert_close(stream[0].var(-1, correction=0), torch.ones(2, 12), atol=1e-3, rtol=0)
    assert torch.equal(logits, model.head(stream[0]))


def test_a_tied_head_is_the_embedding(decoder, tokens):
    model = decoder(tied_embeddings=True)
    assert "head.weight" not in dict(model.named_parameters())
    assert model.num_parameters() == decoder().num_parameters() - 19 * 16
    model(tokens()).sum().backward()
    unused = [t for t in range(19) if t not in tokens()]
    assert unused
    assert model.token_embedding.weight.grad[unused].abs().sum() > 0


@pytest.mark.parametrize("recipe", ["llama", "gpt2"])
def test_every_parameter_gets_a_gradient(decoder, tokens, recipe):
    model = decoder(recipe)
    F.cross_entropy(model(tokens()).flatten(0, 1), tokens().flatten()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_null_twin_has_one_matrix_of_another_draw(small):
    model, twin = Decoder(small()), Decoder(small())
    model.initialize(3)
    twin.initialize(3, twin=True)
    changed = {
        name
        for (name, ours), theirs in zip(model.named_parameters(), twin.parameters(), strict=True)
        if not torch.equal(ours, theirs)
    }
    assert changed == {TWIN_MATRIX}
    theirs = twin.get_parameter(TWIN_MATRIX)
    assert theirs.std().item() == pytest.approx(model.get_parameter(TWIN_MATRIX).std().item(), rel=0.3)
    other = Decoder(small())
    other.initialize(4, twin=True)
    assert not torch.equal(other.get_parameter(TWIN_MATRIX), theirs)


@pytest.mark.parametrize("name", INITIALIZATIONS.names())
def test_every_initialization_draws_what_a_null_twin_draws_anew(small, name):
    Decoder(small(initialization=name)).initialize(1, twin=True)


def test_a_null_twin_of_what_is_not_drawn_is_refused(small, monkeypatch):
    model = Decoder(small())
    monkeypatch.setattr(type(model), "_start", lambda self, name, parameter, *_, **__: (parameter.data, None))
    with pytest.raises(UserError, match=r"draws: twin: .* starts from the same values .* leave out controls"):
        model.initialize(1, twin=True)


def test_nothing_touches_the_global_random_state(small, tokens):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    for factor, registry in FACTORS.items():
        for name in registry.names():
            model = Decoder(small(**{factor: name}, dropout=0.1))
            model.initialize(1)
            model.dropout_generator = generator("dropout")
            model(tokens()).sum().backward()
            model.config.num_parameters()
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_draws_from_its_own_generator(decoder, tokens):
    model = decoder(dropout=0.3)
    model.dropout_generator = generator(1, "dropout")
    first, second = model(tokens()), model(tokens())
    model.dropout_generator.manual_seed(generator(1, "dropout").initial_seed())
    assert torch.equal(model(tokens()), first)
    assert not torch.equal(first, second)
    assert torch.equal(model.eval()(tokens()), decoder()(tokens()))


def test_dropout_keeps_the_mean_and_drops_the_share():
    dropout = Dropout(0.25)
    dropout.generator = generator("dropout test")
    y = dropout(torch.ones(100_000))
    assert y.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (y == 0).float().mean().item() == pytest.approx(0.25, abs=0.005)


def test_dropout_without_a_generator_names_the_remedy(decoder, tokens):
    model = decoder(dropout=0.3)
    with pytest.raises(
        UserError, match=r"dropout is 0.3 but has no generator; set decoder.dropout_generator"
    ):
        model(tokens())
    model.eval()(tokens())  # evaluation needs none


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # CPU flash attention loops under vmap
@pytest.mark.parametrize("name", POSITIONS.names())
@pytest.mark.parametrize("recipe", ["llama", "gpt2"])
def test_a_population_computes_what_each_model_computes_alone(decoder, tokens, recipe, name):
    alone = [decoder(recipe, seed=seed, positions=name) for seed in range(3)]
    parameters, buffers = stack_module_state(alone)
    skeleton, batch = copy.deepcopy(alone[0]).to("meta"), tokens()

    def forward(parameters, buffers):
        return functional_call(skeleton, (parameters, buffers), (batch,))

    together = vmap(forward)(parameters, buffers)
    torch.testing.assert_close(together, torch.stack([model(tokens()) for model in alone]))
    together.square().sum().backward()
    alone[1](tokens()).square().sum().backward()
    for key, parameter in alone[1].named_parameters():
        torch.testing.assert_close(parameters[key].grad[1], parameter.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", POSITIONS.names())
def test_the_decoder_compiles_in_one_graph(decoder, tokens, name):
    model = decoder(positions=name)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(tokens()), model(tokens()))


@pytest.mark.parametrize("name", POSITIONS.names())
@pytest.mark.parametrize("recipe", ["llama", "gpt2"])
@torch.no_grad()
def test_bf16_autocast_and_bf16_parameters_stay_near_fp32(decoder, tokens, recipe, name):
    model = _wake(decoder(recipe, positions=name))
    exact = model(tokens())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model(tokens())
    low = model.bfloat16()(tokens())
    assert mixed.dtype == low.dtype == torch.bfloat16
    assert (mixed - exact).norm() < 0.03 * exact.norm()
    assert (low - exact).norm() < 0.06 * exact.norm()
