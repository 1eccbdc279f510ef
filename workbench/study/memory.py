"""Whether a study's models can be trained in this machine's memory: reckoned before any is asked for."""

from workbench.errors import UserError
from workbench.model.cost import training_memory
from workbench.numbers import byte_size
from workbench.study.recipe import Recipe
from workbench.training.hardware import total_memory
from workbench.training.optimizers import optimizer_config


def require_room(name: str, recipe: Recipe, device: str) -> None:
    """Raise ``UserError`` with both numbers where a training step of ``recipe`` needs more than there is.

    Its training is resolved. The reckoning leaves out what libraries take beside the tensors: what it refuses
    does not fit.
    """
    model, training = recipe.model, recipe.training
    activation = 2 if training.precision == "bf16" else 4
    execution = training.execution
    needed = training_memory(
        model,
        batch_size=training.batch_size // execution.pieces,
        bytes_per_activation=activation,
        moments=optimizer_config(training).component.moments,
    )
    if execution.activation_checkpointing:  # blocks keep their inputs alone
        kept = training.batch_size // execution.pieces * model.context * model.layers * model.width
        needed["activations"] = min(needed["activations"], kept * activation)
    of_model = sum(needed[part] for part in ("parameters", "gradients", "optimizer"))
    if execution.strategy == "fsdp":
        of_model //= execution.devices
    total = of_model + needed["activations"]
    room = total_memory(device)
    if device == "cpu":
        room //= execution.devices  # they are processes, and share the machine's
    if total <= room:
        return
    if of_model > room:
        remedy = "lower size (layers, width, feedforward_width)"
    else:
        remedy = "lower training.batch_size, or context; or raise training.gradient_accumulation"
    where = "GPU" if device == "cuda" else "machine"
    each = " on each device" if execution.devices > 1 else ""
    if each and device == "cpu":
        where = "machine, for each,"
    raise UserError(
        f"{name}: {model.num_parameters():,} parameters at batch_size {training.batch_size:,} and context "
        f"{model.context:,} need about {byte_size(total)} to train{each}, and this {where} has "
        f"{byte_size(room)}; {remedy}"
    )
