"""The position codes of the runs in a scope, each once, and what a picture of them consists of."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

from torch import Tensor

from workbench.inspection.panels import Panel
from workbench.inspection.scope import Scope
from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder
from workbench.model.parts.positions import Learned, Positions
from workbench.model.parts.relative_bias import T5Bias

TRAINED = (Learned.Config, T5Bias.Config)  # codes with parameters


@dataclass(frozen=True)
class Picture:
    """Panels of one kind of code, what they say, and what a reader must know."""

    panels: tuple[Panel, ...] = ()
    answers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """A run's position code, with the ``name`` and ``colour`` of legends; ``decoder`` if it was trained."""

    name: str
    colour: str
    config: ModelConfig
    decoder: Decoder | None = None

    @cached_property
    def positions(self) -> Positions:
        """The code itself."""
        return self.decoder.positions if self.decoder else self.config.positions.build(self.config)

    @property
    def trained(self) -> Decoder:
        """The decoder of a code that was trained."""
        assert self.decoder is not None, f"{self.name}: a code of {TRAINED} is drawn from its decoder"
        return self.decoder

    @property
    def table(self) -> Tensor:
        """The table of learned positions, ``(context, D)``."""
        return cast(Learned, self.trained.positions).table.detach()


def config_of(scope: Scope, role: str) -> ModelConfig:
    """The config of the run that plays ``role``."""
    return scope.model(role)


def codes(scope: Scope) -> tuple[list[Code], list[str]]:
    """The codes of all roles, and a sentence for each that cannot be drawn because its weights are gone.

    A code without parameters that two runs share is drawn once, under both names.
    """
    found: list[Code] = []
    missing: list[str] = []
    for role in scope.roles:
        config = config_of(scope, role)
        name = scope.series[role]
        code = Code(name=name, colour=scope.colours[name], config=config)
        if not isinstance(config.positions, TRAINED):
            found = _with(found, code)
        elif scope.directory(role).weights.exists():
            found.append(replace(code, decoder=scope.subject(role).decoder))
        else:
            missing.append(
                f"{name}: the run's weights are gone, so its {config.positions.name} positions cannot be "
                f"drawn."
            )
    return found, missing


def _with(known: list[Code], new: Code) -> list[Code]:
    alike = [code for code in known if code.decoder is None and _shape(code) == _shape(new)]
    if not alike:
        return [*known, new]
    joined = replace(alike[0], name=f"{alike[0].name} and {new.name}")
    return [joined if code is alike[0] else code for code in known]


def _shape(code: Code) -> Any:
    """All that a code without parameters depends on."""
    config = code.config
    return config.positions, config.context, config.width, config.heads, config.head_width
