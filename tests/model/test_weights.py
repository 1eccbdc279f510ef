import pytest
import torch

from workbench.errors import UserError
from workbench.model import Decoder
from workbench.model.weights import load_weights, plain_tensors, plan_transfer, transfer_weights


def test_weights_go_out_and_back_in(decoder, tokens):
    source, target = decoder("gpt2"), decoder("gpt2", seed=2)
    tensors = plain_tensors(source)
    assert "head.weight" not in tensors
    assert sum(tensor.numel() for tensor in tensors.values()) == source.num_parameters()
    load_weights(target, tensors)
    assert torch.equal(target(tokens()), source(tokens()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm": "layernorm"}, r"missing or of another shape: blocks.0.attention_norm.bias"),
        ({"feedforward": "relu"}, r"not the model's: blocks.0.feedforward.gate.weight"),
        ({"width": 32}, "missing or of another shape: token_embedding.weight"),
    ],
)
def test_weights_of_another_configuration_are_refused_whole(decoder, changes, message):
    target = decoder(seed=2, **changes)
    before = {name: tensor.clone() for name, tensor in plain_tensors(target).items()}
    with pytest.raises(UserError, match=message):
        load_weights(target, plain_tensors(decoder()))
    assert all(torch.equal(tensor, before[name]) for name, tensor in plain_tensors(target).items())


def test_a_transfer_keeps_what_is_shared_and_names_the_rest(decoder):
    source, target = decoder(), decoder(seed=2, feedforward="relu", norm="layernorm")
    fresh_before = target.blocks[0].attention_norm.bias.clone()
    transfer = transfer_weights(target, plain_tensors(source))
    assert "blocks.0.attention.query.weight" in transfer.kept
    assert set(transfer.unused) == {f"blocks.{i}.feedforward.gate.weight" for i in range(2)}
    assert all(name.endswith("norm.bias") for name in transfer.fresh)
    assert len(transfer.fresh) == 5
    ours = dict(target.named_parameters())
    assert all(torch.equal(ours[name], source.get_parameter(name)) for name in transfer.kept)
    assert torch.equal(ours["blocks.0.attention_norm.bias"], fresh_before)


def test_a_longer_position_table_gives_its_first_rows(decoder):
    source, shorter = decoder("gpt2", context=12), decoder("gpt2", seed=2, context=8)
    assert "positions.table" in transfer_weights(shorter, plain_tensors(source)).kept
    assert torch.equal(shorter.positions.table, source.positions.table[:8])
    assert "positions.table" in transfer_weights(source, plain_tensors(shorter)).fresh
    with pytest.raises(UserError, match=r"positions\.table"):
        load_weights(shorter, plain_tensors(source))


def test_a_transfer_can_be_planned_without_values(decoder, small):
    with torch.device("meta"):
        model, tensors = Decoder(small(qk_norm="rmsnorm")), dict(Decoder(small()).named_parameters())
    assert len(plan_transfer(model, tensors).fresh) == 4
