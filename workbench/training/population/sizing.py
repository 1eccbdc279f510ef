"""How many replicas a device trains at once: as many as fit into memory and still make it faster.

Small models leave a GPU waiting for launches; more replicas per launch are almost free until the arithmetic
fills the device. The size is doubled until that happens. Steps are measured uncompiled: they fill the device
later than compiled ones, so that the size is rather too large than too small.
"""

import time
from collections.abc import Callable

import torch

from workbench.model.config import ModelConfig
from workbench.seeds import generator
from workbench.training.config import TrainingConfig
from workbench.training.hardware import out_of_memory, release_memory
from workbench.training.population.population import Population, Replica
from workbench.training.population.vmappable import require_vmappable

_STEPS = 3
_GAIN = 1.1  # a doubling that trains less than this times as many replicas a second is the last
_FREE = 0.8  # of the memory: fragments, validation and compilation need some too


def population_size(
    model: ModelConfig,
    training: TrainingConfig,
    device: str,
    most: int,
    seconds: Callable[[int], float] | None = None,
) -> int:
    """The best number of replicas, at most ``most``. ``seconds`` times a step of R replicas in place of ours.

    Raises ``torch.OutOfMemoryError`` where not even one fits, and ``NotVmappable`` where none can be.
    """
    require_vmappable(model, training, device)
    measure = seconds or (lambda size: step_seconds(model, training, device, size))
    size, speed = 1, 1 / measure(1)
    while size < most:
        larger = min(2 * size, most)
        if device == "cuda" and not _fits(larger / size):
            return size
        found = _speed(measure, larger)
        if found < speed * (1 + (_GAIN - 1) * (larger / size - 1)):
            return size
        size, speed = larger, found
    return size


def _speed(measure: Callable[[int], float], size: int) -> float:
    """Replicas trained a second; 0 where memory runs out."""
    try:
        return size / measure(size)
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            return 0.0
        raise


def step_seconds(model: ModelConfig, training: TrainingConfig, device: str, size: int) -> float:
    """Seconds of a training step of ``size`` replicas: the fastest of a few, uncompiled, on random tokens."""
    replicas = [Replica(training=training, learning_rate=1e-3, seed=seed) for seed in range(size)]
    population = Population(model, replicas, steps=_STEPS).to(device)
    population.prepare()
    optimizer = population.configure_optimizers()
    shape = (size, training.batch_size, model.context)
    tokens = torch.randint(model.vocabulary, shape, generator=generator("sizing")).to(device)  # (R, B, T)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        with torch.autocast(device, torch.bfloat16, enabled=training.precision == "bf16"):
            return min(_step(population, optimizer, tokens, device) for _ in range(_STEPS))
    finally:
        del population, optimizer, tokens
        release_memory()


def _step(
    population: Population, optimizer: torch.optim.Optimizer, tokens: torch.Tensor, device: str
) -> float:
    start = time.perf_counter()
    population.seed_dropout()
    population.training_step((tokens, tokens), 0)["loss"].backward()
    optimizer.step()
    population.flat_parameters.grad = None
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _fits(growth: float) -> bool:
    """Whether ``growth`` times the memory of the last measurement is there."""
    total = torch.cuda.get_device_properties(0).total_memory
    return torch.cuda.max_memory_allocated() * growth < _FREE * total
