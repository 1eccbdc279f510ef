import math

import pytest
import torch

from workbench.inspection.attention.shape import (
    attended_offsets,
    entropy,
    max_score,
    pairs_by_distance,
    positional_fraction,
    positional_share,
    profile,
    reachable,
    relative_distance,
    share_by_chance,
    uniform,
)
from workbench.inspection.position.distance import binned, distance_bins, profile_of_bias, score_of_bias
from workbench.model.parts.relative_bias import alibi_slopes
from workbench.seeds import generator


def _back(offset, length=16):
    """Each query attends to the key ``offset`` before it, the first ones to themselves."""
    place = torch.arange(length)
    key = torch.where(place >= offset, place - offset, place)
    return torch.eye(length)[key]


def _causal(batch=3, heads=2, length=12, window=None):
    scores = torch.randn(batch, heads, length, length, generator=generator("shape test"))
    return scores, scores.masked_fill(~reachable(length, window), -torch.inf).softmax(-1)


def _share(scores, window=None):
    return positional_share(profile(scores, window).mean(0), profile(scores.square(), window).mean(0), window)


@pytest.mark.parametrize("window", [None, 2, 5])
@pytest.mark.parametrize("length", [2, 7, 64])
def test_uniform_attention_has_entropy_and_relative_distance_one(length, window):
    even = uniform(length, window)
    assert entropy(even, window) == pytest.approx(1.0, abs=1e-6)
    assert relative_distance(even, window) == pytest.approx(1.0, abs=1e-6)


def test_distance_is_relative_to_a_quarter_of_the_length():
    tokens_back = (uniform(100) * (torch.arange(100)[:, None] - torch.arange(100))).sum(-1).mean()
    assert tokens_back == pytest.approx(99 / 4, rel=1e-5)
    back = _back(1, 100)
    assert relative_distance(back) == pytest.approx((99 / 100) / (99 / 4))


def test_one_attended_key_has_no_entropy():
    assert entropy(_back(1)) == 0.0


def test_a_window_of_one_leaves_nothing_to_measure():
    alone = torch.eye(6)
    assert math.isnan(entropy(alone, 1))
    assert math.isnan(relative_distance(alone, 1))


def test_entropy_divides_each_query_by_its_own_reach():
    _, attention = _causal()
    expected = []
    for sequence in attention[:, 0]:
        rows = [sequence[i, : i + 1] for i in range(1, len(sequence))]
        expected.append(sum(float(-(r * r.log()).sum()) / math.log(len(r)) for r in rows) / len(rows))
    assert entropy(attention)[:, 0].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("window", [None, 4])
def test_profile_divides_by_the_queries_that_reach(window):
    scores, attention = _causal(window=window)
    for pairs in (scores, attention):
        found = profile(pairs, window)
        for distance in range(window or 12):
            diagonal = pairs.diagonal(-distance, -2, -1)  # (B, H, T - distance)
            assert torch.allclose(found[..., distance], diagonal.mean(-1), atol=1e-6)
        assert found[..., window or 12 :].isnan().all()


def test_a_head_with_a_fixed_offset_has_a_flat_profile_at_it():
    found = profile(_back(5, 16))
    assert found[5] == pytest.approx(1.0)  # also the last queries count only among those that reach
    assert found[[1, 2, 3, 4, 6, 15]].tolist() == [0.0] * 6


def test_pairs_by_distance_counts_pairs_in_reach():
    for window in (None, 3):
        assert int(pairs_by_distance(9, window).sum()) == int(reachable(9, window).sum())


@pytest.mark.parametrize("offset", [0, 1, 7])
def test_positional_fraction_finds_the_fixed_offset(offset):
    attention = _back(offset)[None, None].expand(2, 3, -1, -1)
    assert positional_fraction(attended_offsets(attention)).tolist() == pytest.approx([1.0] * 3)


def test_positional_fraction_of_a_head_on_the_first_token_is_low():
    first = torch.zeros(1, 1, 32, 32)
    first[..., 0] = 1.0
    assert float(positional_fraction(attended_offsets(first))) < 0.1


def test_positional_fraction_counts_half_of_the_queries():
    length = 41
    key = torch.arange(length) - 1
    key[::2] = 0  # every other query looks at the first token
    attention = torch.eye(length)[key.clamp(min=0)][None, None]
    assert float(positional_fraction(attended_offsets(attention))) == pytest.approx(0.5, abs=0.03)


def test_max_score_ignores_pairs_out_of_reach():
    scores = torch.zeros(1, 1, 6, 6)
    scores[..., 5, 0], scores[..., 0, 5], scores[..., 5, 4] = 3.0, 9.0, 1.0
    assert float(max_score(scores)) == 3.0
    assert float(max_score(scores, window=3)) == 1.0


@pytest.mark.parametrize("window", [None, 5])
def test_positional_share_is_one_for_scores_of_distance_alone(window):
    distance = torch.arange(16)[:, None] - torch.arange(16)
    scores = -0.5 * distance.float()[None, None].expand(4, 2, -1, -1)
    assert _share(scores.double(), window).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_positional_share_of_scores_without_distance_is_chance():
    scores = torch.randn(16, 6, 24, 24, generator=generator("share test"))
    found = _share(scores.double())
    assert float(found.mean()) == pytest.approx(share_by_chance(24, 16), abs=0.002)
    assert share_by_chance(24, 16) == pytest.approx(2 / (24 * 16), rel=0.1)


def test_positional_share_is_the_variance_between_distances():
    scores = torch.randn(2, 1, 8, 8, generator=generator("share test")).double()
    pairs = [(i - j, float(scores[b, 0, i, j])) for b in range(2) for i in range(8) for j in range(i + 1)]
    values = torch.tensor([value for _, value in pairs])
    means = {d: sum(v for e, v in pairs if e == d) / sum(e == d for e, _ in pairs) for d in range(8)}
    between = torch.tensor([means[d] for d, _ in pairs]).var(unbiased=False)
    assert float(_share(scores)) == pytest.approx(float(between / values.var(unbiased=False)), rel=1e-5)


def test_positional_share_of_constant_scores_is_missing():
    assert _share(torch.full((1, 1, 5, 5), 3.0).double()).isnan().all()


def test_a_position_code_alone_attends_as_the_softmax_of_its_bias():
    length, slopes = 24, alibi_slopes(4)
    distance = torch.arange(length)[:, None] - torch.arange(length)
    found = profile_of_bias(-slopes[:, None, None] * distance)  # (H, T)
    for head, slope in enumerate(slopes.tolist()):
        for back in (0, 1, 9, 23):
            weights = [[math.exp(-slope * d) for d in range(i + 1)] for i in range(back, length)]
            expected = sum(w[back] / sum(w) for w in weights) / len(weights)
            assert float(found[head, back]) == pytest.approx(expected, rel=1e-4)
    assert torch.allclose(score_of_bias(-slopes[:, None, None] * distance), -slopes[:, None] * distance[:, 0])


def test_bins_hold_one_distance_each_below_64_and_lose_no_pair_beyond():
    assert distance_bins(70)[:64].tolist() == list(range(64))
    values = torch.randn(3, 300, generator=generator("bins"))
    for window in (None, 40, 100):
        x, found, pairs = binned(values, window)
        assert int(pairs.sum()) == int(pairs_by_distance(300, window).sum())
        assert x[: min(64, window or 300)].tolist() == list(range(min(64, window or 300)))
        assert (x.diff() > 0).all()
        assert torch.allclose(found[:, 5], values[:, 5].double())
    _, found, pairs = binned(torch.arange(300.0)[None])
    assert float(found[0, -1]) == pytest.approx(float(binned(torch.ones(1, 300))[0][-1]))


def test_bins_weigh_distances_by_their_pairs():
    by_distance = torch.arange(300.0)[None]
    _, found, pairs = binned(by_distance)
    overall = (by_distance[0] * pairs_by_distance(300)).sum() / pairs_by_distance(300).sum()
    assert float((found[0] * pairs).sum() / pairs.sum()) == pytest.approx(float(overall), rel=1e-6)
