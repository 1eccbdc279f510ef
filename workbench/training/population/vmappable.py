"""Whether ``torch.func.vmap`` can train a model with parts of a user's own, tried on a small batch.

It cannot take what depends on values (``.item()``, ``nonzero``, a condition), random draws and buffers that
training changes; and a parameter that a part holds outside of its modules would be the same for all replicas.
"""

import contextlib
from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from workbench.model.config import ModelConfig
from workbench.model.loss import next_token_loss
from workbench.model.parts.component import Component, preserved_rng
from workbench.seeds import generator
from workbench.training.config import TrainingConfig
from workbench.training.faults import is_machine_fault
from workbench.training.hardware import out_of_memory
from workbench.training.optimizers import optimizer_config
from workbench.training.population.population import Population, Replica

_REPLICAS = 2
_SEQUENCES = 2
NO_REPLICATED_FORM = "its class names no replicated optimizer"
_CLOSE = 1e-3  # relative; both are computed in fp32


class NotVmappable(RuntimeError):
    """``component`` cannot be trained in a population, for ``reason``."""

    def __init__(self, component: str, reason: str) -> None:
        super().__init__(f"{component} cannot be trained in a population ({reason})")
        self.component = component
        self.reason = reason


def require_vmappable(model: ModelConfig, training: TrainingConfig, device: str) -> None:
    """Raise ``NotVmappable`` if several replicas of ``model`` cannot be trained in one program.

    The workbench's levels can, as its tests see to; a user's own optimizer where its class says so. A model
    that fails alone too is not refused: training it has the outcome that it has.
    """
    optimizer = optimizer_config(training)
    if optimizer.component.replicated is None:
        raise NotVmappable(f"optimizer={optimizer.label}", NO_REPLICATED_FORM)
    if model.foreign_parts and (found := _refusal(model, training, device)) is not None:
        raise NotVmappable(*found)


@lru_cache(maxsize=256)
def _refusal(model: ModelConfig, training: TrainingConfig, device: str) -> tuple[str, str] | None:
    """The part to blame and why; None where a population trains as its replicas would alone."""
    # Dropout is the workbench's own, and has to be out of the way of a comparison.
    model = model.with_levels(dropout=0.0)
    with preserved_rng():  # parts may draw from the global generator
        return _tried(model, training, device)


def _tried(model: ModelConfig, training: TrainingConfig, device: str) -> tuple[str, str] | None:
    replicas = [Replica(training=training, learning_rate=1e-3, seed=seed) for seed in range(_REPLICAS)]
    shape = (_REPLICAS, _SEQUENCES, model.context)
    tokens = torch.randint(model.vocabulary, shape, generator=generator("vmappable")).to(device)  # (R, B, T)
    try:
        population = Population(model, replicas, steps=1).to(device)
        population.prepare()
        dtype = population.flat_parameters.dtype
        if dtype is not torch.float32:
            return _all_parts(model), f"its parameters make the population's {dtype}"
        before = _buffers(population)
        if training.precision == "bf16":
            with torch.autocast(device, torch.bfloat16):
                _together(population, tokens)
        losses, gradients = _together(population, tokens)
        changed = _changed(before, _buffers(population))
    except Exception as error:
        if is_machine_fault(error):
            raise
        if out_of_memory(error) or not _trains_alone(model, tokens[0], device):
            return None
        return _blamed(error, model), _first_line(error)
    if changed:
        return _all_parts(model), f"training changes its buffer {changed}"
    for index in range(_REPLICAS):
        loss, gradient = _alone(population, index, tokens[index])
        if not (_near(losses[index], loss) and _near(gradients[index], gradient)):
            return _all_parts(model), "its replicas would not train as they do alone"
    return None


def _together(population: Population, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Losses ``(R,)`` and gradients ``(R, P)`` of all replicas in one pass."""
    population.flat_parameters.grad = None
    found = population.training_step((tokens, tokens), 0)
    found["loss"].backward()
    assert population.flat_parameters.grad is not None, "the backward pass leaves one"
    return found["losses"], population.flat_parameters.grad


def _alone(population: Population, index: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The same of one: its loss, and the gradient ``(P,)`` of its decoder by itself."""
    decoder = population.decoder(index)
    kernel = decoder.attention_kernel
    decoder.attention_kernel = "fused"
    decoder.zero_grad()
    loss = next_token_loss(decoder, tokens, tokens)
    loss.backward()
    decoder.attention_kernel = kernel
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in decoder.parameters()]
    return loss.detach(), torch.cat([part.flatten() for part in parts])


def _trains_alone(model: ModelConfig, tokens: Tensor, device: str) -> bool:
    """Whether one decoder of it by itself gets through a pass: else its trials have the outcome of that."""
    replica = Replica(training=TrainingConfig(tokens=1, batch_size=1), learning_rate=1e-3, seed=0)
    try:
        population = Population(model, [replica], steps=1).to(device)
        population.prepare()
        _alone(population, 0, tokens)
    except Exception:  # which its trials record
        return False
    return True


def _near(value: Tensor, expected: Tensor) -> bool:
    """Whether they agree as a whole; a loss that is no number is no one's business here."""
    if not expected.isfinite().all():
        return True
    scale = torch.linalg.vector_norm(expected) + 1e-6
    return bool(torch.linalg.vector_norm(value - expected) <= _CLOSE * scale)


def _buffers(population: Population) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in population.template.named_buffers()}


def _changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> str | None:
    return next((name for name in before if not torch.equal(before[name], after[name])), None)


def _blamed(error: Exception, model: ModelConfig) -> str:
    """The part in whose code the error was raised, as far as the traceback shows one."""
    found = [owner.name for owner in _components(error) if owner.foreign]
    return found[-1] if found else _all_parts(model)


def _components(error: Exception) -> Iterator[Component]:
    trace = error.__traceback__
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if isinstance(owner, Component):
            yield owner
        trace = trace.tb_next


def _all_parts(model: ModelConfig) -> str:
    return " or ".join(dict.fromkeys(part.name for part in model.foreign_parts.values()))


def _first_line(error: Exception) -> str:
    with contextlib.suppress(IndexError):
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:160]}"
    return type(error).__name__
