import math

import pytest
import torch

from workbench.errors import UserError
from workbench.model.parts.component import POSITIONS
from workbench.seeds import generator

PLACES = {
    "rope": ["rotate"],
    "learned": ["embed"],
    "sinusoidal": ["embed"],
    "alibi": ["bias"],
    "t5_bias": ["bias"],
    "none": [],
}


def _built(small, name, **options):
    config = small(positions={"name": name, **options})
    positions = config.positions.build(config)
    for parameter in positions.parameters():
        torch.nn.init.normal_(parameter, generator=generator("positions test"))
    return positions


def _heads(length, width=4):
    return torch.randn(2, 4, length, width, generator=generator("heads"))


def _rotate(positions, x, ids):
    return positions.rotate(x, positions.prepare(ids))


def test_learned_looks_its_table_up(small):
    positions = _built(small, "learned")
    ids = torch.tensor([3, 0, 11])
    assert torch.equal(positions.embed(ids), positions.table[ids])


@pytest.mark.parametrize("amplitude", [1.0, 0.02])
def test_sinusoidal_agrees_with_the_paper(small, amplitude):
    code = _built(small, "sinusoidal", amplitude=amplitude).embed(torch.arange(40))
    for position in (0, 1, 7, 39):
        for i in range(8):
            angle = position / 10000 ** (2 * i / 16)
            assert code[position, 2 * i].item() == pytest.approx(amplitude * math.sin(angle), abs=1e-5)
            assert code[position, 2 * i + 1].item() == pytest.approx(amplitude * math.cos(angle), abs=1e-5)


@pytest.mark.parametrize("name", POSITIONS.names())
def test_positions_that_do_nothing_say_so(small, name):
    """Each code acts in exactly one of the three places, 'none' in none of them."""
    positions, ids, x = _built(small, name), torch.arange(12), _heads(12)
    acts = {
        "embed": positions.embed(ids) is not None,
        "rotate": not torch.equal(_rotate(positions, x, ids), x),
        "bias": positions.bias(ids, ids) is not None,
    }
    assert [key for key, value in acts.items() if value] == PLACES[name]


@pytest.mark.parametrize("name", POSITIONS.names())
def test_positions_count_their_parameters(small, name):
    config = small(positions=name)
    built = config.positions.build(config)
    assert config.positions.num_parameters(config) == sum(p.numel() for p in built.parameters())
    assert config.positions.matmul_parameters(config) == 0


def test_learned_gradient_is_right(small):
    positions = _built(small, "learned").double()
    ids = torch.tensor([0, 2, 2])
    assert torch.autograd.gradcheck(
        lambda table: torch.func.functional_call(_Embed(positions), {"positions.table": table}, (ids,)),
        positions.table,
    )


class _Embed(torch.nn.Module):
    def __init__(self, positions):
        super().__init__()
        self.positions = positions

    def forward(self, ids):
        return self.positions.embed(ids)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": {"name": "sinusoidal", "amplitude": 0}}, r"sinusoidal.amplitude: 0.0 .* use 0.02"),
        (
            {"positions": "sinusoidal", "width": 15, "heads": 3},
            r"sinusoidal needs an even width, got width 15; use 16",
        ),
    ],
)
def test_impossible_positions_name_the_remedy(small, changes, message):
    with pytest.raises(UserError, match=message):
        small(**changes)


@pytest.mark.parametrize("name", ["learned", "sinusoidal", "none"])
def test_codes_without_doubtful_options_have_no_warnings(small, name):
    config = small(positions=name, context=512)
    assert config.positions.warnings(config) == []


@pytest.mark.parametrize("name", POSITIONS.names())
def test_a_shift_of_all_positions_leaves_the_scores_of_relative_codes(small, name):
    """Of one attention layer: queries and keys from tokens and ``embed``, rotated, with the bias."""
    positions, tokens = _built(small, name, **({} if name != "t5_bias" else {"max_distance": 20})), _heads(6)

    def scores(ids):
        added = positions.embed(ids)
        x = tokens if added is None else tokens + added.unflatten(-1, (4, 4)).transpose(0, 1)  # (B, H, T, d)
        rotated = _rotate(positions, x, ids)
        bias = positions.bias(ids, ids)
        return rotated @ rotated.transpose(-1, -2) + (0 if bias is None else bias)

    ids = torch.arange(6)
    change = (scores(ids + 6) - scores(ids)).abs().max()
    assert positions.relative == (name not in ("learned", "sinusoidal"))
    assert change <= 1e-5 if positions.relative else change > 1e-3
