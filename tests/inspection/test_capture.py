import pytest
import torch
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.inspection.attention.shape import reachable
from workbench.inspection.capture import QUANTITIES, capture, kernel_error, reading, uncompiled
from workbench.inspection.forward_passes import passes
from workbench.model import Decoder, preset
from workbench.model.parts.component import POSITIONS
from workbench.model.parts.feedforward import GatedFeedForward
from workbench.seeds import generator

SMALL = {"vocabulary": 19, "context": 12, "width": 16, "layers": 3, "heads": 4, "feedforward_width": 24}
CHANGES = [
    *({"positions": name} for name in POSITIONS.names()),
    {"window": 4},
    {"window": 4, "attention_pattern": "global,local"},
    {"attention_gate": "headwise"},
    {"attention_gate": "elementwise"},
    {"attention_softcap": 2.0},
    {"attention_scale": 1.0},
    {"qk_norm": "rmsnorm"},
    {"key_value_heads": 2},
    {"key_value_heads": 1},
    {"head_width": 6},
    {"bias": True},
    {"feedforward": "gelu"},
    *({"norm_placement": place} for place in ("post", "sandwich", "parallel")),
]


def _name(change):
    return ",".join(f"{key}={value}" for key, value in change.items())


def _decoder(**changes):
    decoder = Decoder(preset("llama", **(SMALL | changes)))
    decoder.initialize(1)
    for name, parameter in decoder.named_parameters():
        if parameter.ndim > 1:  # larger than at the start, so that attention is uneven
            torch.nn.init.normal_(parameter, std=0.3, generator=generator("capture test", name))
    return decoder


def _tokens():
    return torch.randint(0, 19, (2, 12), generator=generator("capture tokens"))


def _shapes(decoder):
    config = decoder.config
    heads = (2, config.heads, 12, config.head_width)
    square, stream = (2, config.heads, 12, 12), (2, 12, config.width)
    known = {"queries": heads, "keys": heads, "values": heads, "scores": square, "probabilities": square}
    known |= {"mixed": (2, 12, config.attention_width)}
    known |= {"gate": (2, 12, config.feedforward_width), "hidden": (2, 12, config.feedforward_width)}
    return {name: known.get(name, stream) for name in QUANTITIES}


def _state(decoder):
    hooks = [(len(module._forward_hooks), len(module._forward_pre_hooks)) for module in decoder.modules()]
    modes = [module.training for module in decoder.modules()]
    return hooks, modes, decoder.attention_kernel, decoder._compiled_call_impl


@pytest.mark.parametrize("change", CHANGES, ids=_name)
def test_every_quantity_has_its_shape_in_every_layer(change):
    decoder = _decoder(**change)
    shapes = _shapes(decoder)
    if not isinstance(decoder.blocks[0].feedforward, GatedFeedForward):
        del shapes["gate"]
    with capture(decoder, shapes) as seen:
        decoder(_tokens())
    assert tuple(seen.embedding.shape) == shapes.pop("embedding")
    for name, shape in shapes.items():
        assert seen.layers(name) == [0, 1, 2]
        assert tuple(seen.stacked(name).shape) == (3, *shape), name


@pytest.mark.parametrize("change", CHANGES, ids=_name)
def test_probabilities_are_the_models_own(change):
    """Rows sum to 1 over what is in reach, and lead through values and gate to the module's output."""
    decoder = _decoder(**change)
    with capture(decoder, {"probabilities", "values", "mixed", "attention_output"}) as seen:
        inputs = []
        handles = [
            b.attention.register_forward_pre_hook(lambda _, a: inputs.append(a[0])) for b in decoder.blocks
        ]
        decoder(_tokens())
        for handle in handles:
            handle.remove()
    for layer, block in enumerate(decoder.blocks):
        attention, module = seen["probabilities", layer], block.attention
        assert torch.allclose(attention.sum(-1), torch.ones(()), atol=1e-6)
        assert (attention[..., ~reachable(12, decoder.config.layer_windows[layer])] == 0).all()
        mixed = attention @ seen["values", layer]  # (B, H, T, d_head)
        mixed = module._gated(mixed, inputs[layer]).transpose(1, 2).flatten(2)
        assert torch.allclose(mixed, seen["mixed", layer], atol=1e-6)
        assert torch.allclose(module.output(mixed), seen["attention_output", layer], atol=1e-5)


@pytest.mark.parametrize("change", CHANGES, ids=_name)
def test_scores_are_those_before_bias_and_mask(change):
    decoder = _decoder(**change)
    with capture(decoder, {"scores", "probabilities", "queries", "keys"}) as seen:
        decoder(_tokens())
    place = torch.arange(12)
    bias = decoder.positions.bias(place, place)
    for layer, block in enumerate(decoder.blocks):
        products = block.attention.scale * seen["queries", layer] @ seen["keys", layer].transpose(-2, -1)
        cap = decoder.config.attention_softcap
        products = products if cap is None else cap * torch.tanh(products / cap)
        assert torch.allclose(seen["scores", layer], products, atol=1e-5)
        whole = products if bias is None else products + bias
        outside = ~reachable(12, decoder.config.layer_windows[layer])
        expected = whole.masked_fill(outside, -torch.inf).softmax(-1)
        assert torch.allclose(seen["probabilities", layer], expected, atol=1e-5)


def test_the_residual_stream_adds_up():
    decoder = _decoder()
    with capture(decoder, {"embedding", "attention_output", "feedforward_output", "residual"}) as seen:
        decoder(_tokens())
    stream = seen.embedding
    for layer in range(3):
        stream = stream + seen["attention_output", layer] + seen["feedforward_output", layer]
        assert torch.allclose(stream, seen["residual", layer], atol=1e-5)


def test_hidden_units_are_what_the_last_projection_reads():
    decoder = _decoder()
    with capture(decoder, {"gate", "hidden", "feedforward_norm_output"}, [1]) as seen:
        decoder(_tokens())
    up = decoder.blocks[1].feedforward.up(seen["feedforward_norm_output", 1])
    assert torch.allclose(seen["hidden", 1], F.silu(seen["gate", 1]) * up, atol=1e-5)


def test_logits_inside_are_those_outside():
    decoder, tokens = _decoder().eval(), _tokens()
    with capture(decoder, QUANTITIES):
        inside = decoder(tokens)
    assert torch.allclose(inside, decoder(tokens), atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_left_behind(training):
    decoder = _decoder(dropout=0.1).train(training)
    decoder.dropout_generator = generator("capture dropout")
    before = _state(decoder)
    with capture(decoder, QUANTITIES) as seen:
        assert not decoder.training
        assert decoder.attention_kernel == "explicit"
        assert not decoder(_tokens()).requires_grad
    assert _state(decoder) == before
    kept = seen["probabilities", 0].clone()
    decoder(_tokens().flip(1))
    assert torch.equal(seen["probabilities", 0], kept)


def test_nothing_is_left_behind_by_an_exception():
    decoder = _decoder().train()
    before = _state(decoder)

    def interrupted():
        with capture(decoder, QUANTITIES):
            decoder(_tokens())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert _state(decoder) == before
    assert torch.is_grad_enabled()


def test_a_refused_capture_leaves_nothing_behind():
    decoder = _decoder().train()
    before = _state(decoder)
    for what, layers in ((["nothing"], None), (["scores"], [0, 3])):
        with pytest.raises(UserError), capture(decoder, what, layers):
            pass
        assert _state(decoder) == before


def test_a_decoder_that_was_explicit_stays_so():
    decoder = _decoder()
    decoder.attention_kernel = "explicit"
    with capture(decoder, {"scores"}):
        decoder(_tokens())
    assert decoder.attention_kernel == "explicit"
    capped = _decoder(attention_softcap=2.0)
    with capture(capped, {"scores"}):
        capped(_tokens())
    assert capped.attention_kernel == "explicit"


@pytest.mark.parametrize("how", ["wrapped", "in place"])
def test_a_compiled_decoder_is_read_uncompiled(how):
    plain, tokens = _decoder().eval(), _tokens()
    with capture(plain, {"probabilities"}) as expected:
        plain(tokens)
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    decoder = _decoder().eval()
    if how == "wrapped":
        compiled = torch.compile(decoder, backend=backend)
    else:
        decoder.compile(backend=backend)
        compiled = decoder
    call = decoder._compiled_call_impl
    with capture(compiled, {"probabilities"}) as seen:
        uncompiled(compiled)(tokens)
    assert not graphs
    assert decoder._compiled_call_impl is call
    assert torch.equal(seen.stacked("probabilities"), expected.stacked("probabilities"))
    compiled(tokens)
    assert graphs


def test_gradients_flow_if_asked_for():
    decoder = _decoder()
    with capture(decoder, {"probabilities"}, gradients=True) as seen:
        decoder(_tokens())
        seen["probabilities", 2][..., -1, 0].sum().backward()
    assert decoder.blocks[0].attention.query.weight.grad.abs().sum() > 0


def test_only_the_layers_asked_for_are_kept():
    decoder = _decoder()
    with capture(decoder, {"residual"}, [2]) as seen:
        decoder(_tokens())
    assert seen.layers("residual") == [2]
    assert ("residual", 2) in seen
    assert ("residual", 0) not in seen
    with pytest.raises(KeyError, match="not captured"):
        seen["residual", 0]


def test_what_cannot_be_captured_is_refused_with_the_remedy():
    def refused(decoder, what, layers=None):
        with pytest.raises(UserError) as error, capture(decoder, what, layers):
            pass
        return str(error.value)

    assert "did you mean 'probabilities'" in refused(_decoder(), ["probabilites"])
    assert "use 0 to 2" in refused(_decoder(), ["scores"], [3])
    assert "decoder.float()" in refused(_decoder().half(), ["scores"])
    assert "capture 'hidden'" in refused(_decoder(feedforward="gelu"), ["gate"])


@pytest.mark.parametrize("change", CHANGES, ids=_name)
def test_the_fused_kernel_gives_the_same_logits(change):
    decoder = _decoder(**change).train()
    before = _state(decoder)
    assert kernel_error(decoder, _tokens()) <= 1e-4
    assert _state(decoder) == before


def test_the_kernel_error_sees_a_difference():
    decoder = _decoder()
    decoder.blocks[1].attention._fused = lambda q, k, v, mask: v
    assert kernel_error(decoder, _tokens()) > 0.01


@pytest.mark.parametrize("numbers", [2**24, 4 * 12 * 12 * 3, 4 * 12 * 12, 1])
def test_passes_cover_every_sequence_and_layer_once(numbers, monkeypatch):
    """From all at once down to one layer of one sequence."""
    monkeypatch.setattr("workbench.inspection.forward_passes._NUMBERS", numbers)
    decoder = _decoder()
    tokens = torch.randint(0, 19, (5, 12), generator=generator("passes"))
    with capture(decoder, {"probabilities"}) as whole:
        logits = decoder(tokens)
    parts = list(passes(decoder, tokens, {"probabilities"}))
    met = [(layer, row) for part in parts for layer in part.layers for row in range(5)[part.rows]]
    assert sorted(met) == [(layer, row) for layer in range(3) for row in range(5)]
    for part in parts:
        for layer in part.layers:
            expected = whole["probabilities", layer][part.rows]
            assert torch.allclose(part.seen["probabilities", layer], expected, atol=1e-6)
    firsts = torch.cat([part.logits for part in parts if part.logits is not None])
    assert torch.allclose(firsts, logits, atol=1e-5)


@pytest.mark.parametrize(("positions", "equivariant"), [("none", True), ("rope", False), ("alibi", False)])
def test_without_mask_and_positions_order_is_unknown(positions, equivariant, monkeypatch):
    """Then attention sees a set: tokens in another order give the same logits in that order."""
    monkeypatch.setattr("workbench.model.attention._masked", _bias_alone)
    model, tokens = _decoder(positions=positions), _tokens()
    order = torch.randperm(tokens.shape[1], generator=generator("order"))
    with reading(model, kernel="explicit"):
        apart = (model(tokens[:, order]) - model(tokens)[:, order]).abs().max()
    assert (apart < 1e-5) == equivariant


def _bias_alone(scores, mask):
    return scores if mask is None else scores + mask.masked_fill(mask == -torch.inf, 0.0)
