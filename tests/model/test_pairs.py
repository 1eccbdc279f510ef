"""What holds for every legal pair of levels of two factors; and which pairs are refused, and how."""

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import pytest
import torch

from tests.model.levels import CHANGES, LEVELS, SMALL, built, name
from workbench.errors import UserError
from workbench.model import Decoder, preset
from workbench.model.cache import KeyValueCache
from workbench.model.weights import plain_tensors
from workbench.seeds import generator

PAIRS = [a | b for a, b in combinations(CHANGES, 2) if a.keys() != b.keys()]
CONFIGS = [built(pair) for pair in PAIRS]
LEGAL = [(pair, config) for pair, config in zip(PAIRS, CONFIGS, strict=True) if config is not None]
TOKENS = torch.randint(0, 19, (2, 12), generator=generator("pair tokens"))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two changes at once, as a decoder that every test of this file looks at."""

    change: dict
    decoder: Decoder
    initial: dict[str, torch.Tensor]

    @property
    def name(self) -> str:
        return name(self.change)


@pytest.fixture(scope="module", params=list(LEVELS))
def pairs(request):
    """The legal pairs whose first factor is this one: each pair once, and each decoder built once."""
    return [_pair(change, config) for change, config in LEGAL if next(iter(change)) == request.param]


@torch.no_grad()
def _pair(change, config):
    """Initialised, and then with noise: biases start at 0 and norms at 1, which hides what they do."""
    decoder = _initialized(config)
    initial = {key: tensor.clone() for key, tensor in plain_tensors(decoder).items()}
    for parameter in decoder.parameters():
        parameter.add_(0.15 * torch.randn(parameter.shape, generator=generator("pair", parameter.shape)))
    return Pair(change=change, decoder=decoder.eval(), initial=initial)


def _initialized(config):
    decoder = Decoder(config)
    decoder.initialize(3)
    return decoder


def test_only_meaningless_pairs_are_refused():
    for pair, config in zip(PAIRS, CONFIGS, strict=True):
        why = _why(pair)
        assert (config is None) == (why is not None), name(pair)
        if why:
            with pytest.raises(UserError, match=why):
                preset("llama", **(SMALL | pair))


def _why(pair):
    if "attention_pattern" in pair and "window" not in pair:
        return "window: attention_pattern 'global,local' needs a window"
    if pair.get("head_width") == 6 and "fraction" in pair.get("positions", {}):
        return "positions: rope rotates pairs, but 3 of each head's 6 dimensions"
    return None


def test_pairs_count_what_is_built(pairs):
    for pair in pairs:
        assert pair.decoder.config.num_parameters() == pair.decoder.num_parameters(), pair.name


@torch.no_grad()
def test_pairs_agree_between_kernels_and_with_the_cache(pairs):
    for pair in pairs:
        decoder = pair.decoder
        expected = decoder(TOKENS)
        torch.testing.assert_close(_explicit(decoder), expected, atol=2e-5, rtol=2e-5, msg=pair.name)
        if "dynamic_ntk" not in str(pair.change):  # whose earlier logits belong to a shorter text
            cache = KeyValueCache(decoder.config)
            parts = [decoder(part, cache=cache) for part in TOKENS.split([7, 1, 4], dim=1)]
            torch.testing.assert_close(torch.cat(parts, 1), expected, atol=2e-5, rtol=2e-5, msg=pair.name)


def _explicit(decoder):
    """The logits with attention written out; afterwards it is fused again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder, "attention_kernel", "explicit")
        return decoder(TOKENS)


@torch.no_grad()
def test_pairs_are_causal(pairs):
    changed = TOKENS.clone()
    changed[:, 8] = (TOKENS[:, 8] + 1) % 19
    for pair in pairs:
        before, after = pair.decoder(TOKENS), pair.decoder(changed)
        assert torch.equal(before[:, :8], after[:, :8]), pair.name
        assert not torch.equal(before[:, 8:], after[:, 8:]), pair.name


@cache
def _single(place):
    """The initial values of the model that has only ``CHANGES[place]``; None if it is refused."""
    config = built(CHANGES[place])
    return None if config is None else plain_tensors(_initialized(config))


def test_pairs_start_as_their_parts_do(pairs):
    """A tensor that a pair shares with the model that has only its first change starts from the same draw."""
    for pair in pairs:
        first = dict([next(iter(pair.change.items()))])
        ours, theirs = _single(CHANGES.index(first)), pair.initial
        if ours is None or "initialization" in pair.change:
            continue
        shared = [key for key in ours if key in theirs and ours[key].shape == theirs[key].shape]
        assert all(torch.equal(ours[key], theirs[key]) for key in shared), pair.name
        assert shared, pair.name
