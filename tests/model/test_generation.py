import math

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
        ({"temperature": -1}, "temperature: -1 is not a number from 0 up; use 0"),
        ({"temperature": math.nan}, "temperature: nan is not a number"),
        ({"temperature": math.inf}, "temperature: inf is not a number"),
        ({"top_p": math.nan}, r"top_p: nan is not in \(0, 1\]"),
        ({"top_k": 0}, "top_k: 0 is not above 0"),
        ({"top_p": 1.5}, r"top_p: 1.5 is not in \(0, 1\]"),
    ],
)
def test_sampling_options_out_of_range_are_named(decoder, tokens, options, message):
    with pytest.raises(UserError, match=message):
        generate(decoder(), tokens(), **({"new_tokens": 1} | options))


def test_an_empty_prompt_is_refused(decoder):
    with pytest.raises(UserError, match="prompt: it has no tokens"):
        generate(decoder(), torch.zeros(1, 0, dtype=torch.long), new_tokens=1)


@pytest.mark.parametrize("length", [8, 12, 30])
def test_beyond_a_table_of_positions_the_last_tokens_are_read_from_its_beginning(spread, tokens, length):
    model, text = spread(positions="learned"), tokens(2, length)
    context = model.config.context
    found = generate(model, text, new_tokens=10, temperature=0)
    for _ in range(10):
        text = torch.cat([text, model(text[:, -context:])[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(found, text)


@pytest.mark.parametrize("positions", ["rope", "alibi", "sinusoidal", "none"])
@pytest.mark.parametrize("window", [None, 5])
def test_other_codes_go_on_beyond_the_context_from_all_that_they_have_seen(spread, tokens, positions, window):
    model, text = spread(positions=positions, window=window), tokens(1, 8)
    found = generate(model, text, new_tokens=2 * model.config.context, temperature=0)
    for _ in range(2 * model.config.context):
        text = torch.cat([text, model(text)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(found, text)


@pytest.mark.parametrize("temperature", [1e-7, 1e-40, 1e-300, 5e-324])
def test_a_tiny_temperature_takes_the_most_probable_token(spread, tokens, temperature):
    model, text = spread(), tokens(2, 3)
    found = generate(model, text, new_tokens=8, temperature=temperature, generator=_draw())
    assert torch.equal(found, generate(model, text, new_tokens=8, temperature=0))


@pytest.mark.parametrize(
    "options", [{"top_p": 1e-40}, {"top_p": 5e-324}, {"top_k": 1}, {"temperature": 2e-6}]
)
def test_extreme_options_leave_one_token(spread, tokens, options):
    model, text = spread(), tokens(2, 3)
    found = generate(model, text, new_tokens=8, generator=_draw(), **options)
    assert torch.equal(found, generate(model, text, new_tokens=8, temperature=0))


@pytest.mark.parametrize("options", [{"temperature": 1e308}, {"top_k": 10**9}, {"top_p": 1.0}])
def test_options_that_leave_all_tokens_draw_among_them(spread, tokens, options):
    assert len(_frequencies(spread(), tokens(1, 5), **options).nonzero()) > 5


@pytest.mark.parametrize("temperature", [0, 1e-40, 1.0])
def test_logits_that_are_no_numbers_are_told(spread, tokens, temperature):
    model = spread()
    with torch.no_grad():
        model.final_norm.weight[3] = torch.nan
    with pytest.raises(UserError, match="logits are no finite numbers"):
        generate(model, tokens(1, 5), new_tokens=4, temperature=temperature, generator=_draw())


def test_huge_logits_are_no_fault(spread, tokens):
    model = spread()
    with torch.no_grad():
        model.final_norm.weight.mul_(1e33)
    found = generate(model, tokens(1, 3), new_tokens=4, temperature=1e-5, generator=_draw())
    assert torch.equal(found, generate(model, tokens(1, 3), new_tokens=4, temperature=0))
