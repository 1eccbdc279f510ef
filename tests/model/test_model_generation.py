import pytest
import torch

from workbench.errors import UserError
from workbench.model.cache import KeyValueCache
from workbench.model.generation import generate, stream
from workbench.seeds import generator


def _draw(seed=1):
    return generator(seed, "sampling")


@pytest.fixture
def spread(decoder):
    """A decoder whose next-token distribution is far from uniform."""

    def build(**changes):
        model = decoder(**changes).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(6)
        return model

    return build


@pytest.mark.parametrize("positions", ["rope", "learned", "alibi"])
def test_greedy_generation_is_the_argmax_of_full_forwards(spread, tokens, positions):
    model, text = spread(positions=positions), tokens(2, 4)
    found = generate(model, text, new_tokens=8, temperature=0)
    for _ in range(8):
        text = torch.cat([text, model(text)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(found, text)
    assert found.shape == (2, 12)


def test_a_cache_may_be_filled_in_any_portions(spread, tokens):
    model, ids = spread(window=5, key_value_heads=2), tokens(2, 12)
    expected = model(ids)
    for sizes in ([12], [1] * 12, [5, 4, 3], [11, 1]):
        cache, parts = KeyValueCache(model.config), []
        for part in ids.split(sizes, dim=1):
            parts.append(model(part, cache=cache))
        assert len(cache) == 12
        torch.testing.assert_close(torch.cat(parts, dim=1), expected, atol=1e-5, rtol=1e-5)


def test_cached_positions_go_on_from_given_ones(spread, tokens):
    model, ids = spread(positions="sinusoidal"), tokens(1, 6)
    shifted = torch.arange(100, 106)
    cache = KeyValueCache(model.config)
    first = model(ids[:, :4], position_ids=shifted[:4], cache=cache)
    second = model(ids[:, 4:], cache=cache)
    torch.testing.assert_close(
        torch.cat([first, second], 1), model(ids, position_ids=shifted), atol=1e-5, rtol=1e-5
    )


def test_sampling_repeats_under_one_seed_and_leaves_the_global_generator(spread, tokens):
    model, text = spread(), tokens(2, 3)
    state = torch.random.get_rng_state()
    first = generate(model, text, new_tokens=8, generator=_draw())
    assert torch.equal(first, generate(model, text, new_tokens=8, generator=_draw()))
    assert not torch.equal(first, generate(model, text, new_tokens=8, generator=_draw(2)))
    assert torch.equal(torch.random.get_rng_state(), state)


def _frequencies(model, text, **options):
    batch = text.repeat(4000, 1)
    drawn = next(stream(model, batch, new_tokens=1, generator=_draw(), **options))
    return torch.bincount(drawn, minlength=19) / 4000


def test_samples_follow_the_softmax_at_the_temperature(spread, tokens):
    model, text = spread(), tokens(1, 5)
    logits = model(text)[0, -1]
    for temperature in (0.5, 1.0, 2.0):
        expected = (logits / temperature).softmax(-1)
        found = _frequencies(model, text, temperature=temperature)
        torch.testing.assert_close(found, expected, atol=0.035, rtol=0)


def test_top_k_and_top_p_keep_the_most_probable(spread, tokens):
    model, text = spread(), tokens(1, 5)
    probabilities, order = model(text)[0, -1].softmax(-1).sort(descending=True)
    kept = set(_frequencies(model, text, top_k=3, temperature=3.0).nonzero().flatten().tolist())
    assert kept == set(order[:3].tolist())
    enough = int((probabilities.cumsum(0) < 0.6).sum()) + 1
    kept = set(_frequencies(model, text, top_p=0.6).nonzero().flatten().tolist())
    assert kept == set(order[:enough].tolist())
    assert 1 <= enough < 19


def test_top_p_is_a_share_of_what_top_k_leaves(spread, tokens):
    """Of the two most probable, the first alone holds a little less than its share of both."""
    model, text = spread(), tokens(1, 5)
    probabilities, order = model(text)[0, -1].detach().softmax(-1).sort(descending=True)
    share = float(probabilities[0] / probabilities[:2].sum())
    kept = _frequencies(model, text, top_k=2, top_p=share - 0.01).nonzero().flatten().tolist()
    assert kept == [int(order[0])]
    kept = _frequencies(model, text, top_k=2, top_p=share + 0.01).nonzero().flatten().tolist()
    assert set(kept) == set(order[:2].tolist())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"new_tokens": 0}, "tokens: 0 is not above 0"),
        ({"temperature": -1}, "temperature: -1 is below 0"),
        ({"top_k": 0}, "top_k: 0 is not above 0"),
        ({"top_p": 1.5}, r"top_p: 1.5 is not in \(0, 1\]"),
    ],
)
def test_sampling_options_out_of_range_are_named(decoder, tokens, options, message):
    with pytest.raises(UserError, match=message):
        generate(decoder(), tokens(), **({"new_tokens": 1} | options))


def test_an_empty_prompt_and_a_full_table_are_refused(decoder, tokens):
    with pytest.raises(UserError, match="prompt: it has no tokens"):
        generate(decoder(), torch.zeros(1, 0, dtype=torch.long), new_tokens=1)
    with pytest.raises(UserError, match="table of 12 positions"):
        generate(decoder(positions="learned"), tokens(1, 8), new_tokens=6)
