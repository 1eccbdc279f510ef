import math

import pytest
import torch

from workbench.errors import UserError
from workbench.model.parts.rotary import Rotary
from workbench.seeds import generator


def _built(small, **options):
    config = small(positions={"name": "rope", **options})
    return config.positions.build(config)


def _heads(length, width=4):
    return torch.randn(2, 4, length, width, generator=generator("heads"))


def _rotate(positions, x, ids):
    return positions.rotate(x, positions.prepare(ids))


def _complex_rotation(x, ids, base):
    """Meta's form in float64: neighbours as one complex number, after permuting the half-split pairs."""
    width = x.shape[-1]
    interleaved = torch.stack([x[..., : width // 2], x[..., width // 2 :]], dim=-1).double()
    frequency = torch.tensor([base ** (-2 * i / width) for i in range(width // 2)], dtype=torch.float64)
    angles = ids.double()[:, None] * frequency
    turned = torch.view_as_complex(interleaved.contiguous()) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], dim=-1)


@pytest.mark.parametrize("base", [10000.0, 500000.0])
def test_rope_is_multiplication_by_complex_numbers(small, base):
    ids, x = torch.arange(12), _heads(12)
    positions = _built(small, base=base)
    expected = _complex_rotation(x, ids, base)
    torch.testing.assert_close(_rotate(positions, x, ids).double(), expected, atol=1e-5, rtol=1e-5)


def test_rope_scores_equal_those_of_interleaved_pairs(small):
    """Permuting the rows of query and key (as when loading Meta's weights) leaves all scores the same."""
    ids, q, k = torch.arange(12), _heads(12), _heads(12).flip(2)
    positions = _built(small)
    order = torch.tensor([0, 2, 1, 3])  # half-split (0, 2), (1, 3) <- neighbours (0, 1), (2, 3)
    ours = _rotate(positions, q[..., order], ids) @ _rotate(positions, k[..., order], ids).transpose(-1, -2)

    def meta(x):
        frequency = torch.tensor([1.0, 1e-2], dtype=torch.float64)
        angles = ids.double()[:, None] * frequency
        pairs = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)).contiguous())
        return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)

    theirs = meta(q) @ meta(k).transpose(-1, -2)
    torch.testing.assert_close(ours.double(), theirs, atol=1e-5, rtol=1e-5)
    wrong = _rotate(positions, q, ids) @ _rotate(positions, k, ids).transpose(-1, -2)
    assert (wrong.double() - theirs).abs().max() > 0.1


def test_partial_rope_leaves_the_rest_of_the_head_alone(small):
    ids, x = torch.arange(12), _heads(12)
    turned = _rotate(_built(small, fraction=0.5), x, ids)
    assert torch.equal(turned[..., 2:], x[..., 2:])
    expected = _complex_rotation(x[..., :2], ids, 10000.0)
    torch.testing.assert_close(turned[..., :2].double(), expected, atol=1e-5, rtol=1e-5)


def test_rope_keeps_norms_and_works_far_beyond_the_context(small):
    ids, x = torch.arange(5000, 5012), _heads(12)
    turned = _rotate(_built(small), x, ids)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(turned.double(), _complex_rotation(x, ids, 10000.0), atol=2e-3, rtol=1e-3)


def test_rope_angles_stay_in_fp32_when_the_model_is_bf16(small):
    positions = _built(small).bfloat16()
    cos, _ = positions.prepare(torch.arange(4000, 4012))
    exact = torch.tensor([math.cos(p) for p in range(4000, 4012)])
    assert cos.dtype == torch.float32
    torch.testing.assert_close(cos[:, 0], exact, atol=1e-4, rtol=0)
    assert _rotate(positions, _heads(12).bfloat16(), torch.arange(12)).dtype == torch.bfloat16


@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_rope_gradient_is_right(small, fraction):
    positions = _built(small, fraction=fraction)
    x = _heads(3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: _rotate(positions, x, torch.arange(3)), x)


def test_rope_turns_the_whole_head_by_default(small):
    """Some libraries turn a part of it unless told otherwise."""
    assert Rotary.Config().fraction == 1.0
    turned = _rotate(_built(small), _heads(12), torch.arange(12))
    assert (turned[:, :, 1:] != _heads(12)[:, :, 1:]).any(dim=(0, 1, 2)).all()


def test_neighbouring_positions_differ_in_half_precision(small):
    """4096 and 4097 are one number in bf16; their angles are not."""
    assert torch.tensor(4096.0).bfloat16() == torch.tensor(4097.0).bfloat16()
    positions, x = _built(small).bfloat16(), torch.ones(1, 1, 1, 4).bfloat16()
    here, next_one = (_rotate(positions, x, torch.tensor([position])) for position in (4096, 4097))
    assert next_one.dtype == torch.bfloat16
    exact = [_complex_rotation(x, torch.tensor([position]), 10000.0) for position in (4096, 4097)]
    torch.testing.assert_close(here.double(), exact[0], atol=0.01, rtol=0)
    torch.testing.assert_close(next_one.double(), exact[1], atol=0.01, rtol=0)
    assert (here - next_one).abs().max() > 0.5


def test_autocast_leaves_the_angles_in_fp32(small):
    positions, ids = _built(small), torch.arange(4096, 4100)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = positions.prepare(ids)
    for ours, exact in zip(half, positions.prepare(ids), strict=True):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, exact)


@pytest.mark.parametrize("offset", [1, 7, 500])
def test_a_shift_of_all_positions_leaves_the_scores(small, offset):
    positions, ids, q, k = _built(small), torch.arange(12), _heads(12), _heads(12).flip(2)

    def scores(ids):
        return _rotate(positions, q, ids) @ _rotate(positions, k, ids).transpose(-1, -2)

    shifted = scores(ids + offset)
    torch.testing.assert_close(shifted, scores(ids), atol=1e-5 if offset < 100 else 3e-4, rtol=0)
    one_sided = _rotate(positions, q, ids + offset) @ _rotate(positions, k, ids).transpose(-1, -2)
    assert (one_sided - scores(ids)).abs().max() > 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 12, "heads": 4}, r"rope rotates pairs, but 3 of each head's 3 .* change width, heads or"),
        (
            {"positions": {"name": "rope", "fraction": 0.25}},
            r"1 of each head's 4 .* change .* rope's fraction",
        ),
        ({"positions": {"name": "rope", "fraction": 0.1}}, r"0 of each head's 4 "),
        ({"positions": {"name": "rope", "fraction": 1.5}}, r"rope.fraction: 1.5 is not in \(0, 1\]; use"),
        ({"positions": {"name": "rope", "base": 0}}, r"rope.base: 0.0 is not above 1; use for example 10000"),
    ],
)
def test_impossible_rotations_name_the_remedy(small, changes, message):
    with pytest.raises(UserError, match=message):
        small(**changes)
