"""What the constructor of a foreign part means its parameters to start from.

A value that it sets on purpose (zeros, an identity matrix) is the same whatever the state of the random
generators; one that it draws is not. Two constructions tell them apart. A third, of the level that the part
is derived from or built around, tells what the part left as it was there: often a placeholder that the
initialisation level replaces.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.model.parts.component import Component, ComponentConfig, construction_seed


@dataclass(frozen=True)
class Construction:
    """``constants``: parameters that were set, by name. ``blank``: those that were left uninitialised."""

    constants: dict[str, Tensor]
    blank: frozenset[str]


def built_from(part: Component) -> tuple[ComponentConfig, tuple[Any, ...]]:
    """The config and the arguments of a part that a config has built."""
    assert part.origin is not None
    return part.origin


def examine(part: Component) -> Construction:
    """Construct ``part`` again, on the CPU, and look at its parameters."""
    config, args = built_from(part)
    with torch.device("cpu"), _blank_is_nan():
        first, second = _built(config, args, 1), _built(config, args, 2)
        _require_repeatable(part, first, _built(config, args, 1))
        parents: dict[str, dict[str, Tensor]] = {}
        again = dict(second.named_parameters())
        constants, blank = {}, set()
        for name, value in first.named_parameters():
            if value.isnan().any():
                blank.add(name)
            elif name in again and torch.equal(value, again[name]) and not _untouched(first, name, parents):
                constants[name] = value.detach().clone()
    return Construction(constants, frozenset(blank))


def _require_repeatable(part: Component, first: nn.Module, again: nn.Module) -> None:
    own = dict(again.named_parameters())
    for name, value in first.named_parameters():
        if name in own and torch.equal(value.nan_to_num(), own[name].nan_to_num()):
            continue
        if part.initial_value(name, tuple(value.shape), torch.Generator()) is None:
            raise UserError(
                f"{part.name}: its constructor draws {name} from a source that no seed reaches; draw with "
                f"torch, or define initial_value"
            )


def redraw(part: Component, seed: int) -> dict[str, Tensor]:
    """The parameters of ``part`` as its constructor draws them from random states that belong to ``seed``."""
    config, args = built_from(part)
    with torch.device("cpu"):
        return {name: value.detach() for name, value in _built(config, args, seed).named_parameters()}


def components_above(module: nn.Module, name: str) -> Iterator[tuple[Component, str, str]]:
    """The components that hold the parameter ``name``, outermost first: each, its path, the name in it."""
    path = name.split(".")
    if isinstance(module, Component):
        yield module, "", name
    for depth, part in enumerate(path[:-1], start=1):
        module = getattr(module, part)
        if isinstance(module, Component):
            yield module, ".".join(path[:depth]), ".".join(path[depth:])


def _built(config: ComponentConfig, args: tuple, seed: int) -> nn.Module:
    with construction_seed(seed):
        return config.build(*args)


def _untouched(root: nn.Module, name: str, parents: dict[str, dict[str, Tensor]]) -> bool:
    """Whether the parameter is as a level of the workbench constructs it."""
    *_, (inner, path, own_name) = components_above(root, name)
    if path not in parents:
        parents[path] = _as_constructed_by_level(inner)
    value = parents[path].get(own_name)
    return value is not None and torch.equal(value, root.get_parameter(name))


def _as_constructed_by_level(part: Component) -> dict[str, Tensor]:
    """Parameters of the level that ``part`` is, or is derived from; none where it cannot be built alike."""
    if part.origin is None:
        return {}
    config, args = part.origin
    level = next((cls for cls in type(part).__mro__ if _is_level(cls)), None)
    if level is None:
        return {}
    options = {field.name: getattr(config, field.name) for field in fields(level.Config)}
    try:
        return dict(level.Config(**options).build(*args).named_parameters())
    except (UserError, TypeError, ValueError, RuntimeError):  # the part takes options that its parent refuses
        return {}


def _is_level(cls: type) -> TypeGuard[type[Component]]:
    return issubclass(cls, Component) and not cls.foreign and bool(cls.name) and ":" not in cls.name


@contextmanager
def _blank_is_nan() -> Iterator[None]:
    """``torch.empty`` gives NaN instead of whatever lay in memory."""
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic  # torch adds the switch to this module when it is imported
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        memory.fill_uninitialized_memory = fill
