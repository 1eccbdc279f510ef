import pytest
import torch
from torch.nn import functional as F
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from workbench.errors import UserError
from workbench.model.parts.component import NORMS
from workbench.seeds import generator

WIDTH = 16


def _rmsnorm(x, norm):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + norm.config.eps) * norm.weight.double()


def _layernorm(x, norm):
    centred = x - x.mean(-1, keepdim=True)
    variance = (centred * centred).mean(-1, keepdim=True)
    return centred / torch.sqrt(variance + norm.config.eps) * norm.weight.double() + norm.bias.double()


def _dynamic_tanh(x, norm):
    return torch.tanh(norm.alpha.double() * x) * norm.weight.double() + norm.bias.double()


REFERENCES = {
    "rmsnorm": _rmsnorm,
    "layernorm": _layernorm,
    "dynamic_tanh": _dynamic_tanh,
    "none": lambda x, norm: x,
}


def _built(name, **options):
    norm = NORMS.config({"name": name, **options}).build(WIDTH)
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter, generator=generator("norm test"))
    return norm


def _input(*shape, scale=1.0):
    return torch.randn(*shape, WIDTH, generator=generator("norm input")) * scale


def test_every_norm_has_a_reference():
    assert set(REFERENCES) == set(NORMS.names())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("name", NORMS.names())
def test_norm_agrees_with_its_formula_in_float64(name, scale):
    norm, x = _built(name), _input(4, 5, scale=scale)
    expected = REFERENCES[name](x.double(), norm)
    torch.testing.assert_close(norm(x).double(), expected, rtol=1e-5, atol=1e-5 * min(scale, 1))


def test_norms_agree_with_torch():
    x = _input(4)
    rms, layer = _built("rmsnorm"), _built("layernorm")
    torch.testing.assert_close(rms(x), F.rms_norm(x, (WIDTH,), rms.weight, 1e-5))
    torch.testing.assert_close(layer(x), F.layer_norm(x, (WIDTH,), layer.weight, layer.bias, 1e-5))


def test_rmsnorm_in_bf16_normalises_in_fp32_then_casts_then_multiplies():
    norm, x = _built("rmsnorm").bfloat16(), _input(64).bfloat16()
    wide = x.float()
    normalised = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)
    assert torch.equal(norm(x), normalised.bfloat16() * norm.weight)


def test_rmsnorm_in_bf16_is_transformers_to_the_bit():
    theirs, ours, x = LlamaRMSNorm(WIDTH, eps=1e-5).bfloat16(), _built("rmsnorm").bfloat16(), _input(500)
    theirs.weight.data = ours.weight.data
    assert torch.equal(ours(x.bfloat16()), theirs(x.bfloat16()))


def test_rmsnorm_may_multiply_before_it_casts():
    before, after = _built("rmsnorm").bfloat16(), _built("rmsnorm", cast="after_weight").bfloat16()
    x = _input(500).bfloat16()
    wide = x.float()
    normalised = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)
    assert torch.equal(after(x), (normalised * after.weight.float()).bfloat16())
    changed = (before(x) != after(x)).float().mean()
    assert 0.1 < float(changed) < 0.5
    assert torch.equal(before.float()(wide), after.float()(wide))


def _as_cuda_autocast(monkeypatch):
    """CUDA's autocast lists rms_norm among what is computed, and returned, in fp32; the CPU's does not."""
    plain = F.rms_norm
    monkeypatch.setattr(F, "rms_norm", lambda x, *args, **options: plain(x.float(), *args, **options))


@pytest.mark.parametrize("cuda", [False, True])
def test_rmsnorm_under_autocast_is_transformers_to_the_bit(cuda, monkeypatch):
    """Half-precision inputs, fp32 weights: the normalised input is rounded, the product is not."""
    theirs, ours, x = LlamaRMSNorm(WIDTH, eps=1e-5), _built("rmsnorm"), _input(500).bfloat16()
    theirs.weight.data = ours.weight.data
    if cuda:
        _as_cuda_autocast(monkeypatch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = ours(x), theirs(x)
    assert found.dtype == expected.dtype == torch.float32
    assert torch.equal(found, expected)


@pytest.mark.parametrize("cuda", [False, True])
def test_rmsnorm_that_multiplies_first_rounds_once_under_autocast(cuda, monkeypatch):
    ours, x = _built("rmsnorm", cast="after_weight"), _input(500).bfloat16()
    expected = (F.rms_norm(x.float(), (WIDTH,), eps=1e-5) * ours.weight).bfloat16()
    if cuda:
        _as_cuda_autocast(monkeypatch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ours(x), expected)


def test_alpha_starts_where_it_is_told(decoder):
    model = decoder(norm={"name": "dynamic_tanh", "alpha": 0.8})
    for norm in (model.final_norm, model.blocks[0].attention_norm):
        assert norm.alpha.item() == pytest.approx(0.8)
    with pytest.raises(UserError, match=r"dynamic_tanh.alpha: 0.0 is not above 0"):
        NORMS.config({"name": "dynamic_tanh", "alpha": 0})


@pytest.mark.parametrize("name", ["rmsnorm", "layernorm"])
def test_eps_changes_small_inputs(name):
    x = _input(4, scale=1e-3)
    assert (_built(name, eps=1e-2)(x) - _built(name, eps=1e-6)(x)).abs().max() > 0.1


def test_layernorm_without_bias_has_one_vector():
    assert [name for name, _ in _built("layernorm", bias=False).named_parameters()] == ["weight"]


@pytest.mark.parametrize("name", NORMS.names())
def test_norm_gradient_is_right(name):
    norm, x = _built(name).double(), _input(3).double().requires_grad_()
    assert torch.autograd.gradcheck(norm, x)


@pytest.mark.parametrize("name", NORMS.names())
@pytest.mark.parametrize("options", [{}, {"bias": False}])
def test_norm_counts_its_parameters(name, options):
    options = options if name == "layernorm" else {}
    config = NORMS.config({"name": name, **options})
    built = config.build(WIDTH)
    assert config.num_parameters(WIDTH) == sum(p.numel() for p in built.parameters())
    assert config.matmul_parameters(WIDTH) == 0


@pytest.mark.parametrize("name", ["rmsnorm", "layernorm"])
def test_eps_must_be_positive(name):
    with pytest.raises(UserError, match=rf"{name}.eps: 0.0 .* use for example 1e-5"):
        NORMS.config({"name": name, "eps": 0})
