"""A part of a user's own: what its parameters start from, how it is counted, and its weights."""

import own_parts
import pytest
import torch

from workbench.errors import UserError
from workbench.model import Decoder, match_size
from workbench.model.decoder import Start, skeleton
from workbench.model.weights import load_weights, plain_tensors, transfer_weights

NORM = "blocks.0.attention_norm"


def part(name):
    return f"own_parts:{name}"


def test_what_a_constructor_sets_stays(decoder):
    weight = decoder(norm=part("ZeroCentred")).get_parameter(f"{NORM}.weight")
    assert (weight == 0).all()
    mixed = decoder(norm=part("Mixed")).blocks[0].attention_norm
    assert torch.equal(mixed.turn, torch.eye(16))
    assert mixed.gain.item() == 1.5


def test_what_it_draws_is_drawn_anew_by_name_and_seed(decoder):
    first, again, other = (decoder(seed=seed, norm=part("Mixed")) for seed in (1, 1, 2))
    for name in ("fixed", "phase"):
        one, same, next_seed = (model.get_parameter(f"{NORM}.{name}") for model in (first, again, other))
        assert torch.equal(one, same)
        assert not torch.equal(one, next_seed)
        assert not torch.equal(one, first.get_parameter(f"blocks.1.attention_norm.{name}"))
    assert first.get_parameter(f"{NORM}.fixed").std() < 0.03  # the level's, no more of standard deviation 1
    phase = first.get_parameter(f"{NORM}.phase")
    assert 0 <= phase.min() < 0.3 < 0.7 < phase.max() <= 1  # no level has a rule for it: the constructor's


def test_it_starts_as_at_first_when_initialised_again(decoder):
    model = decoder(norm=part("ZeroCentred"))
    with torch.no_grad():
        model.get_parameter(f"{NORM}.weight").fill_(3)
    model.initialize(1)
    assert (model.get_parameter(f"{NORM}.weight") == 0).all()


def test_placeholders_of_a_level_are_replaced_as_in_the_level(decoder):
    heir, level = decoder(positions=part("HeirOfLearned")), decoder(positions="learned")
    assert torch.equal(heir.positions.table, level.positions.table)
    around, plain = decoder(feedforward=part("Around")), decoder()
    inner = around.get_parameter("blocks.0.feedforward.inner.up.weight")
    assert 0 < inner.std() < 0.03
    assert not torch.equal(inner, around.get_parameter("blocks.1.feedforward.inner.up.weight"))
    assert (around.get_parameter("blocks.0.feedforward.norm.weight") == 1).all()
    name = "blocks.0.attention.query.weight"
    assert torch.equal(around.get_parameter(name), plain.get_parameter(name))


def test_what_no_seed_reaches_is_refused(decoder):
    with pytest.raises(UserError, match=r"own_parts:Unseeded: its constructor draws gain from a source"):
        decoder(norm=part("Unseeded"))


def test_parameters_without_a_size_are_named(decoder):
    config = decoder(norm="rmsnorm").config.with_levels(norm=part("Lazy"))
    with pytest.raises(UserError, match=r"norm: own_parts:Lazy has parameters without a size"):
        config.num_parameters()


def test_what_is_left_uninitialised_is_drawn_or_refused(decoder):
    matrix = decoder(norm=part("Blank")).get_parameter(f"{NORM}.matrix")
    assert 0.01 < matrix.std() < 0.03
    with pytest.raises(UserError, match=r"own_parts:BlankVector: its constructor leaves scale uninitialised"):
        decoder(norm=part("BlankVector"))


def test_a_decoder_says_what_its_own_parts_start_from(small):
    starts = Decoder(small(norm=part("Mixed"))).starts()
    assert len(starts) == 4 * 5
    found = {name: starts[f"{NORM}.{name}"] for name in ("turn", "gain", "fixed", "phase")}
    assert found == {
        "turn": Start.CONSTRUCTOR,
        "gain": Start.CONSTRUCTOR,
        "fixed": Start.LEVEL,
        "phase": Start.REDRAWN,
    }
    assert Decoder(small()).starts() == {}


def test_constructing_leaves_the_random_states_alone(decoder):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    decoder(norm=part("Mixed"))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("factor", "name"),
    [("feedforward", "Wider"), ("norm", "Mixed"), ("norm", "NeedsValues"), ("positions", "HeirOfLearned")],
)
def test_an_heir_is_counted_by_what_it_builds(small, factor, name):
    config = small(**{factor: part(name)})
    assert config.num_parameters() == Decoder(config).num_parameters()


def test_an_heirs_matrices_are_in_its_flops_and_its_matching(small):
    size = {"width": 64, "feedforward_width": 192}
    plain, wider = small(**size), small(feedforward=part("Wider"), **size)
    assert wider.flops_per_token() - plain.flops_per_token() == 6 * 2 * 64 * 192
    matched, mismatch = match_size(wider, plain, "parameters")
    assert matched.feedforward_width == 144
    assert matched.nonembedding_parameters() / plain.nonembedding_parameters() - 1 == mismatch
    assert small(positions=part("HeirOfLearned")).flops_per_token() == small().flops_per_token()


def test_a_wrong_formula_names_class_and_numbers(small):
    config = small(norm=part("WrongFormula"))
    message = r"norm: own_parts:WrongFormula.Config.num_parameters says 32, but what it builds has 16"
    with pytest.raises(UserError, match=message):
        config.num_parameters()


def test_a_formula_for_fewer_multiplications_is_checked_against_a_pass(small):
    experts = small(feedforward=part("Experts"))
    own, plain = experts.flops_per_token(), small(feedforward="relu").flops_per_token()
    assert own - plain == 6 * 2 * 4 * 16  # the router
    wrong = small(feedforward={"name": part("Experts"), "told": 0.5})
    with pytest.raises(UserError, match=r"Experts.Config.matmul_parameters says 416, .* has 832"):
        wrong.flops_per_token()


def test_a_constructor_that_fails_is_one_message(small, monkeypatch):
    monkeypatch.setattr(own_parts.Wider, "__init__", lambda self, *args: 1 / 0)
    config = small(feedforward=part("Wider"), feedforward_width=40)
    with pytest.raises(UserError, match=r"own_parts:Wider cannot be built \(ZeroDivisionError"):
        config.num_parameters()


def test_a_skeleton_is_had_even_where_a_constructor_needs_values(small):
    assert skeleton(small()).device.type == "meta"
    shapes = dict(skeleton(small(norm=part("NeedsValues"))).named_parameters())
    assert shapes[f"{NORM}.weight"].shape == (16,)


def test_persistent_buffers_are_weights(decoder, tokens):
    source, target = decoder(norm=part("Buffered")), decoder(norm=part("Buffered"), seed=2)
    with torch.no_grad():
        source.get_buffer(f"{NORM}.scale").mul_(3)
    tensors = plain_tensors(source)
    assert f"{NORM}.scale" in tensors
    assert f"{NORM}.sign" not in tensors
    load_weights(target, tensors)
    assert torch.equal(target(tokens()), source(tokens()))
    fresh = decoder(norm=part("Buffered"), seed=3, feedforward="relu")
    assert f"{NORM}.scale" in transfer_weights(fresh, tensors).kept
    assert torch.equal(fresh.get_buffer(f"{NORM}.scale"), source.get_buffer(f"{NORM}.scale"))
    with pytest.raises(UserError, match=r"missing or of another shape: blocks.0.attention_norm.scale"):
        load_weights(target, {name: tensor for name, tensor in tensors.items() if "scale" not in name})
