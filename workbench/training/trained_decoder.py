"""The decoder that a run trained, read back from its record and weights."""

from safetensors.torch import load_file

from workbench.errors import UserError
from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder
from workbench.model.weights import load_weights, require_finite
from workbench.records.run import RunDirectory, RunRecord
from workbench.records.weights_at_hand import require_weights, require_whole_weights


def load_decoder(directory: RunDirectory, device: str = "cpu") -> Decoder:
    """The run's decoder in fp32 and evaluation mode; raises ``UserError`` where it has no sound weights.

    Weights with NaN or infinite values are not sound: every number that they give would be NaN.
    """
    record = directory.read()
    require_weights(directory)
    require_whole_weights(directory)
    decoder = Decoder(model_of(directory, record))
    try:
        tensors = load_file(directory.weights)
    except Exception as error:  # the library raises kinds of its own
        raise UserError(
            f"{directory.weights}: cannot be read ({error}); run the study again, or import it again"
        ) from error
    require_finite(tensors, f"{directory.weights}: ", "choose another run, or train or import this one again")
    load_weights(decoder, tensors)
    return decoder.to(device).eval()


def model_of(directory: RunDirectory, record: RunRecord) -> ModelConfig:
    """The configuration of the run's decoder; raises ``UserError`` where a part's code is not to be had."""
    return ModelConfig.from_dict(record.config["model"], directory.parts)
