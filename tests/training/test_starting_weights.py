import pytest
import torch
from safetensors.torch import save_file

from workbench.errors import UserError
from workbench.model import Decoder, preset
from workbench.model.weights import plain_tensors
from workbench.training.starting_weights import STARTING_WEIGHTS, load_starting_weights

SIZE = {"vocabulary": 19, "context": 8, "layers": 1, "width": 16, "heads": 2}


def decoder(seed, **changes):
    built = Decoder(preset("llama", **SIZE, **changes))
    built.initialize(seed)
    return built


@pytest.fixture
def study(tmp_path):
    """A study's directory with starting weights, and their digest."""
    save_file(plain_tensors(decoder(1)), tmp_path / STARTING_WEIGHTS)
    from hashlib import sha256

    return tmp_path, sha256((tmp_path / STARTING_WEIGHTS).read_bytes()).hexdigest()


def test_a_variant_begins_with_what_it_shares(study):
    folder, digest = study
    begun, source, plain = decoder(2, norm="layernorm"), decoder(1), decoder(2, norm="layernorm")
    load_starting_weights(begun, folder, digest)
    own = dict(begun.named_parameters())
    for name, value in source.named_parameters():
        assert torch.equal(own[name], value)
    assert torch.equal(own["final_norm.bias"], plain.final_norm.bias)


def test_other_weights_than_planned_are_refused(study):
    folder, digest = study
    save_file(plain_tensors(decoder(3)), folder / STARTING_WEIGHTS)
    with pytest.raises(UserError, match="is not the file that the study began with"):
        load_starting_weights(decoder(2), folder, digest)
    (folder / STARTING_WEIGHTS).unlink()
    with pytest.raises(UserError, match="is missing; run the study again"):
        load_starting_weights(decoder(2), folder, digest)
