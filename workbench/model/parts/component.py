"""What every swappable part of the decoder has in common: a frozen config that owns and builds it.

The pattern (``RMSNorm.Config(eps=1e-5).build(width)``) is torchtitan's. A part is found by its registered
name, by import path (``my_parts:ScaledNorm``), or by an entry point of the group ``workbench.<factor>``.
"""

import importlib
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from workbench.errors import UserError, suggestion
from workbench.model.parts.sources import find_source, kept_class, source_of
from workbench.user_values import coerce, require_known, type_hints

_RESERVED = ("name", "source")  # what to_dict says beside the options
_construction_seed: ContextVar[int] = ContextVar("construction_seed", default=0)


@contextmanager
def preserved_rng() -> Iterator[None]:
    """Restore the global random states at the end: constructors such as ``nn.Linear`` draw from them.

    Inside, they are fixed, so that a value that only a constructor sets is at least the same each time.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    seed = _construction_seed.get()
    python = random.getstate()
    numpy = np.random.get_state()
    with torch.random.fork_rng(devices=devices):
        torch.random.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


@contextmanager
def construction_seed(seed: int) -> Iterator[None]:
    """What is built inside finds the random states that belong to ``seed``, which otherwise is 0."""
    token = _construction_seed.set(seed)
    try:
        yield
    finally:
        _construction_seed.reset(token)


def described(default: Any, about: str) -> Any:
    """A field of a ``Config``: its default, and ``about``, which ``workbench explain`` says of the option."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, kw_only=True)
class ComponentConfig:
    """The options of one component. Two configs are equal when component and options are equal."""

    component: ClassVar[type["Component"]]

    def __post_init__(self) -> None:
        """Check each option's type; raises ``UserError`` naming the option."""
        hints = type_hints(type(self))
        for option in fields(self):
            key, value = f"{self.name}.{option.name}", getattr(self, option.name)
            object.__setattr__(self, option.name, coerce(value, hints.get(option.name, Any), key))

    @property
    def name(self) -> str:
        """The component's registered name, or its import path."""
        return self.component.name

    @property
    def label(self) -> str:
        """``rope``, or ``rope(base=500000)``: only the options that differ from their defaults."""
        changed = [option for option in fields(self) if getattr(self, option.name) != option.default]
        options = ", ".join(f"{option.name}={plain(getattr(self, option.name))}" for option in changed)
        return f"{self.name}({options})" if options else self.name

    def build(self, *args: Any) -> Any:
        """The component itself; ``args`` are its factor's (a norm takes the width)."""
        component: Callable[..., Component] = self.component  # its factor says of which arguments
        with preserved_rng():
            part = component(self, *args)
        part.origin = (self, args)
        return part

    def to_dict(self) -> dict[str, Any]:
        """``{"name": ..., **options}``, ready for JSON; ``Registry.config`` reads it back.

        A part that is not the workbench's own says in ``source`` what its code was: 12 hexadecimal digits.
        """
        options = {f.name: getattr(self, f.name) for f in fields(self) if not f.name.startswith("_")}
        plain_options = {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()}
        source = source_of(self.component) if self.component.foreign else None
        return {"name": self.name, **({"source": source.digest} if source else {}), **plain_options}

    def num_parameters(self, *args: Any) -> int:
        """Parameters of ``build(*args)``. A formula is faster; without one they are counted."""
        return sum(parameter.numel() for parameter in self.skeleton(*args).parameters())

    def matmul_parameters(self, *args: Any) -> int:
        """Those parameters that multiply every token: by default the ones with two dimensions or more."""
        return sum(p.numel() for p in self.skeleton(*args).parameters() if p.ndim >= 2)

    def skeleton(self, *args: Any) -> nn.Module:
        """``build(*args)`` for its shapes: on the meta device, unless its constructor needs values."""
        try:
            with torch.device("meta"):
                return self.build(*args)
        except (NotImplementedError, RuntimeError, TypeError):  # ``.item()``, ``.numpy()``, a condition
            return self.build(*args)


class Component:
    """Base of every part. A subclass may nest a ``Config(<Base>.Config)`` with its options (``described``).

    Where it reads them, ``config: Config`` after that tells a type checker that ``self.config`` is one.

    ``factor`` says which factor the part is a level of, ``required`` which method such a level defines;
    ``name`` is its registered name or import path.
    ``foreign``: its code is not the workbench's. ``origin``: the config and arguments that it was built from.
    ``paper``, ``formula`` and ``constraints`` are what ``workbench list components`` says of it.
    ``title`` and ``colour`` are how reports write a level of ours and charts draw it: as the field writes its
    name, and a word of ``workbench.analysis.colours``. What has none is written as its label, and has a
    colour that follows from that.
    """

    factor: ClassVar[str | None] = None
    required: ClassVar[str] = ""
    name: ClassVar[str] = ""
    foreign: ClassVar[bool] = False
    origin: tuple[ComponentConfig, tuple[Any, ...]] | None = None
    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    constraints: ClassVar[str] = ""
    colour: ClassVar[str] = ""
    Config: ClassVar[type[ComponentConfig]] = ComponentConfig
    config: ComponentConfig

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Bind the class to a config of its own: an inherited one would build the parent instead."""
        super().__init_subclass__(**kwargs)
        cls.name = f"{cls.__module__}:{cls.__qualname__}"
        cls.foreign = cls.__module__.partition(".")[0] != "workbench"
        config = cls.__dict__.get("Config")
        if config is None:
            names = {"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.Config"}
            config = type("Config", (cls.Config,), names)
        if not (isinstance(config, type) and issubclass(config, ComponentConfig)):
            raise UserError(f"{cls.name}.Config: derive it from {cls.__mro__[1].__name__}.Config")
        if "__dataclass_params__" not in config.__dict__:
            config = dataclass(frozen=True, kw_only=True)(config)
        for option in _RESERVED:
            if option in [field.name for field in fields(config)]:
                raise UserError(f"{cls.name}.Config: {option!r} cannot be an option; give it another name")
        config.component = cls
        cls.Config = config

    def initial_value(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor | None:
        """The value that the part's parameter ``name`` (relative to the part) starts from.

        None, the default, leaves it to the decoder's initialisation level: matrices are drawn, vectors
        named ``weight`` are 1 and ``bias`` 0, any other vector keeps what the constructor gave it. In a part
        that is not the workbench's own, what the constructor set without drawing stays in any case.
        """
        return None


class Registry:
    """The levels of one factor, by name. ``base`` is where the class that they derive from is imported."""

    def __init__(self, factor: str, base: str) -> None:
        self.factor = factor
        self._base = base
        self._classes: dict[str, type[Component]] = {}

    def register(self, name: str) -> Callable[[type[Component]], type[Component]]:
        """Class decorator: make the class the level ``name``.

        Raises ``UserError`` if the name is taken, or if the class does not say its paper and its formula.
        """

        def add(cls: type[Component]) -> type[Component]:
            own_name = cls.name
            self._add(name, cls)
            if cls.foreign:  # a process that has not imported its module finds it by its path only
                cls.name = own_name
            for key in ("paper", "formula"):
                if not getattr(cls, key):
                    raise UserError(f"{self.factor}: {name!r} has no {key}; write it into the class")
            return cls

        return add

    def _add(self, name: str, cls: type[Component]) -> type[Component]:
        if name in self._classes:
            raise UserError(f"{self.factor}: the name {name!r} is taken; register under another")
        self._classes[name] = cls
        cls.name = name
        return cls

    def names(self) -> list[str]:
        """The registered names, and those of installed entry points."""
        return list(dict.fromkeys([*self._classes, *(point.name for point in self._entry_points())]))

    def get(self, name: str) -> type[Component]:
        """The class of a level, an entry point, or ``module:Class``; ``UserError`` if there is none."""
        if name in self._classes:
            return self._classes[name]
        if ":" in name:
            cls = self._checked(_import(name, self.factor), name)
            if cls.foreign:
                source_of(cls)  # its files as they are now, before anybody edits them
            return cls
        for point in self._entry_points():
            if point.name == name:
                return self._add(name, self._checked(_load(point, self.factor), name))
        raise UserError(
            f"{self.factor}: unknown level {name!r}; {suggestion(name, self.names())}. "
            f"Your own class is given by import path, for example my_parts:MyClass"
        )

    def recorded(self, name: str, digest: str, parts: Path | None) -> type[Component]:
        """The class ``name`` whose files have ``digest``: as it can be imported, or as kept in ``parts``.

        Raises ``UserError`` where its code is another by now and was not kept.
        """
        found = self._unchanged(name, digest)
        if found is None and parts is not None:
            found = kept_class(parts, name, digest)
        if found is None:
            kept = "" if parts is None else f" nor kept in {parts}"
            raise UserError(
                f"{self.factor}: the code of {name} that this was made with (source {digest}) is neither on "
                f"the import path{kept}; put its file back as it was, or run the study again"
            )
        cls = self._checked(found, name)
        cls.name = name
        return cls

    def _unchanged(self, name: str, digest: str) -> Any:
        """The class as it can be imported, if its files still have ``digest``; others are not run."""
        if ":" in name:
            _search_here()
            source = find_source(name.partition(":")[0])
            if source is None or source.digest != digest:
                return None
        elif name not in self.names():
            return None
        cls = self.get(name)
        imported = source_of(cls)  # in a process that lives for long its code may be older than its file
        return cls if imported is not None and imported.digest == digest else None

    def config(self, spec: Any, parts: Path | None = None) -> ComponentConfig:
        """The config that ``spec`` stands for: a config, a name, or ``{"name": ..., **options}``.

        ``parts`` is where a study keeps the code of parts that are not the workbench's own.
        """
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
        digest = None
        if name not in self._classes or self._classes[name].foreign:
            digest = options.pop("source", None)
        if not isinstance(digest, str | None):
            raise UserError(f"{self.factor}: {name}.source: expected text, got {digest!r}; remove it")
        cls = self.get(name) if digest is None else self.recorded(name, digest, parts)
        config = cls.Config
        require_known(options, [field.name for field in fields(config)], f"{self.factor}: {name}")
        return config(**options)

    def _entry_points(self) -> list[Any]:
        return list(entry_points(group=f"workbench.{self.factor}"))

    def _checked(self, cls: Any, name: str) -> type[Component]:
        found = cls.factor if isinstance(cls, type) and issubclass(cls, Component) else None
        if found is None:
            raise UserError(f"{self.factor}: {name} is not a level; derive the class from {self._base}")
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


def _search_here() -> None:
    """Let imports find what lies in the present directory, also what was written a moment ago."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # at the end: a file of the user's never hides an installed module
    importlib.invalidate_caches()


def _import(path: str, factor: str) -> Any:
    module_name, _, class_name = path.partition(":")
    _search_here()
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


POSITIONS = Registry("positions", "workbench.model.Positions")
NORMS = Registry("norm", "workbench.model.Norm")
FEEDFORWARDS = Registry("feedforward", "workbench.model.FeedForward")
INITIALIZATIONS = Registry("initialization", "workbench.model.Initialization")
FACTORS = {registry.factor: registry for registry in (POSITIONS, NORMS, FEEDFORWARDS, INITIALIZATIONS)}
