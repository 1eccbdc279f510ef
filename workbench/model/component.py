"""What every swappable part of the decoder has in common: a frozen config that owns and builds it.

The pattern (``RMSNorm.Config(eps=1e-5).build(width)``) is torchtitan's. A part is found by its registered
name, by import path (``my_parts:ScaledNorm``), or by an entry point of the group ``workbench.<factor>``.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib.metadata import entry_points
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from workbench.errors import UserError, suggestion
from workbench.model.options import coerce, require_known, type_hints


@contextmanager
def preserved_rng() -> Iterator[None]:
    """Restore the global random state at the end: constructors such as ``nn.Linear`` draw from it.

    Inside, the state is fixed, so that a value that only a constructor sets is at least the same each time.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        torch.random.default_generator.manual_seed(0)
        yield


@dataclass(frozen=True, kw_only=True)
class ComponentConfig:
    """The options of one component. Two configs are equal when component and options are equal."""

    component: ClassVar[type["Component"]]

    def __post_init__(self) -> None:
        """Check each option's type; raises ``UserError`` naming the option."""
        hints = type_hints(type(self))
        for field in fields(self):
            key, value = f"{self.name}.{field.name}", getattr(self, field.name)
            object.__setattr__(self, field.name, coerce(value, hints.get(field.name, Any), key))

    @property
    def name(self) -> str:
        """The component's registered name, or its import path."""
        return self.component.name

    @property
    def label(self) -> str:
        """``rope``, or ``rope(base=500000)``: only the options that differ from their defaults."""
        changed = [field for field in fields(self) if getattr(self, field.name) != field.default]
        options = ", ".join(f"{field.name}={plain(getattr(self, field.name))}" for field in changed)
        return f"{self.name}({options})" if options else self.name

    def build(self, *args: Any) -> Any:
        """The component itself; ``args`` are its factor's (a norm takes the width)."""
        with preserved_rng():
            return self.component(self, *args)

    def to_dict(self) -> dict[str, Any]:
        """``{"name": ..., **options}``, ready for JSON; ``Registry.config`` reads it back."""
        options = {f.name: getattr(self, f.name) for f in fields(self) if not f.name.startswith("_")}
        return {"name": self.name} | {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()}

    def num_parameters(self, *args: Any) -> int:
        """Parameters of ``build(*args)``. A formula is faster; without one it is built on the meta device."""
        return sum(parameter.numel() for parameter in self._on_meta(*args).parameters())

    def matmul_parameters(self, *args: Any) -> int:
        """Those parameters that multiply every token: by default the ones with two dimensions or more."""
        return sum(p.numel() for p in self._on_meta(*args).parameters() if p.ndim >= 2)

    def _on_meta(self, *args: Any) -> nn.Module:
        with torch.device("meta"):
            return self.build(*args)


class Component:
    """Base of every part. A subclass may nest a ``Config(<Base>.Config)`` with its options.

    ``factor`` says which factor the part is a level of, ``required`` which method such a level defines;
    ``name`` is its registered name or import path.
    ``paper``, ``formula`` and ``constraints`` are what ``workbench list components`` says of it.
    """

    factor: ClassVar[str | None] = None
    required: ClassVar[str] = ""
    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    constraints: ClassVar[str] = ""
    Config: ClassVar[type[ComponentConfig]] = ComponentConfig

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Bind the class to a config of its own: an inherited one would build the parent instead."""
        super().__init_subclass__(**kwargs)
        cls.name = f"{cls.__module__}:{cls.__qualname__}"
        config = cls.__dict__.get("Config")
        if config is None:
            names = {"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.Config"}
            config = type("Config", (cls.Config,), names)
        if not (isinstance(config, type) and issubclass(config, ComponentConfig)):
            raise UserError(f"{cls.name}.Config: derive it from {cls.__mro__[1].__name__}.Config")
        if "__dataclass_params__" not in config.__dict__:
            config = dataclass(frozen=True, kw_only=True)(config)
        config.component, cls.Config = cls, config

    def initial_value(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor | None:
        """The value that the part's parameter ``name`` (relative to the part) starts from.

        None, the default, leaves it to the decoder's initialisation level: matrices are drawn, vectors
        named ``weight`` are 1 and ``bias`` 0, any other vector keeps what the constructor gave it.
        """
        return None


class Registry:
    """The levels of one factor, by name."""

    def __init__(self, factor: str) -> None:
        self.factor = factor
        self._classes: dict[str, type[Component]] = {}

    def register(self, name: str) -> Callable[[type[Component]], type[Component]]:
        """Class decorator: make the class the level ``name``.

        Raises ``UserError`` if the name is taken, or if the class does not say its paper and its formula.
        """

        def add(cls: type[Component]) -> type[Component]:
            self._add(name, cls)
            for key in ("paper", "formula"):
                if not getattr(cls, key):
                    raise UserError(f"{self.factor}: {name!r} has no {key}; write it into the class")
            return cls

        return add

    def _add(self, name: str, cls: type[Component]) -> type[Component]:
        if name in self._classes:
            raise UserError(f"{self.factor}: the name {name!r} is taken; register under another")
        self._classes[name], cls.name = cls, name
        return cls

    def names(self) -> list[str]:
        """The registered names, and those of installed entry points."""
        return list(dict.fromkeys([*self._classes, *(point.name for point in self._entry_points())]))

    def get(self, name: str) -> type[Component]:
        """The class of a level, an entry point, or ``module:Class``; ``UserError`` if there is none."""
        if name in self._classes:
            return self._classes[name]
        if ":" in name:
            return self._checked(_import(name, self.factor), name)
        for point in self._entry_points():
            if point.name == name:
                return self._add(name, self._checked(_load(point, self.factor), name))
        raise UserError(
            f"{self.factor}: unknown level {name!r}; {suggestion(name, self.names())}. "
            f"Your own class is given by import path, for example my_parts:MyClass"
        )

    def config(self, spec: Any) -> ComponentConfig:
        """The config that ``spec`` stands for: a config, a name, or ``{"name": ..., **options}``."""
        if isinstance(spec, ComponentConfig):
            self._checked(spec.component, spec.name)
            return spec
        options = dict(spec) if isinstance(spec, dict) else {"name": spec}
        name = options.pop("name", None)
        if isinstance(name, bool):
            raise UserError(
                f"{self.factor}: {str(name).lower()} names no level (YAML reads yes, no, on and off as true "
                f"and false); put the name in quotes. Known: {', '.join(self.names())}"
            )
        if not isinstance(name, str) or not name:
            raise UserError(
                f"{self.factor}: {spec!r} names no level; write a name or {{name: ..., option: value}}. "
                f"Known: {', '.join(self.names())}"
            )
        config = self.get(name).Config
        require_known(options, [field.name for field in fields(config)], f"{self.factor}: {name}")
        return config(**options)

    def _entry_points(self) -> list[Any]:
        return list(entry_points(group=f"workbench.{self.factor}"))

    def _checked(self, cls: Any, name: str) -> type[Component]:
        found = cls.factor if isinstance(cls, type) and issubclass(cls, Component) else None
        if found is None:
            base = f"workbench.model.{_BASES[self.factor]}"
            raise UserError(f"{self.factor}: {name} is not a level; derive the class from {base}")
        if found != self.factor:
            raise UserError(f"{self.factor}: {name} is a level of {found}; write it under '{found}' instead")
        if cls.required and Component in cls.__bases__:
            raise UserError(f"{self.factor}: {name} is what levels derive from; define {cls.required} in one")
        return cls


def plain(value: Any) -> str:
    """An option's value as a label shows it: ``500000`` for 500000.0, ``true`` for True, ``none``."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _import(path: str, factor: str) -> Any:
    module_name, _, class_name = path.partition(":")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # at the end: a file of the user's never hides an installed module
    importlib.invalidate_caches()
    try:
        target = importlib.import_module(module_name)
    except Exception as error:
        raise UserError(
            f"{factor}: importing {module_name!r} for {path!r} failed ({type(error).__name__}: {error}); "
            f"mend it, or put its file into {os.getcwd()} or on PYTHONPATH"
        ) from error
    known = [name for name, value in vars(target).items() if isinstance(value, type)]
    for part in class_name.split("."):
        if not hasattr(target, part):
            raise UserError(f"{factor}: {module_name} has no class {class_name!r}; {suggestion(part, known)}")
        target = getattr(target, part)
    return target


def _load(point: Any, factor: str) -> Any:
    try:
        return point.load()
    except Exception as error:
        raise UserError(
            f"{factor}: the entry point {point.name!r} ({point.value}) cannot be loaded "
            f"({type(error).__name__}: {error}); reinstall or remove its package"
        ) from error


POSITIONS = Registry("positions")
NORMS = Registry("norm")
FEEDFORWARDS = Registry("feedforward")
INITIALIZATIONS = Registry("initialization")
FACTORS = {registry.factor: registry for registry in (POSITIONS, NORMS, FEEDFORWARDS, INITIALIZATIONS)}
_BASES = {
    "positions": "Positions",
    "norm": "Norm",
    "feedforward": "FeedForward",
    "initialization": "Initialization",
}
