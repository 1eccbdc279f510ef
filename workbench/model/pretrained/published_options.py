"""A published model's options: which we take, which we refuse, and what a config of ours has no words for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import UserError
from workbench.model.config import ModelConfig

# Whether a rule holds, the field that it is about, and what would fit.
Rule = tuple[bool, str, str]
_MOST_LAYERS = 10_000  # twenty times the deepest published model
_LARGEST = 2**24  # of any other size; contexts are the largest, some ten million


class Options:
    """The values of a configuration file; errors name the file and the key."""

    def __init__(self, values: Mapping[str, Any], file: Path) -> None:
        self.values = dict(values)
        self.file = file

    def __getitem__(self, key: str) -> Any:
        """A value that must be there."""
        if self.values.get(key) is None:
            raise UserError(f"{self.file}: {key} is missing; fetch the file again")
        return self.values[key]

    def get(self, key: str, default: Any = None) -> Any:
        """A value, or ``default`` where the key is absent; null stays None."""
        return self.values.get(key, default)

    def size(self, key: str) -> Any:
        """A size that must be there; the config checks its kind, this one what no model can have."""
        return self._bounded(key, self[key], _LARGEST)

    def size_or_none(self, key: str) -> Any:
        """A size that may be left out."""
        return self._bounded(key, self.get(key), _LARGEST)

    def layers(self, key: str) -> Any:
        """How many layers there are: each of them is described before the weights are looked at."""
        return self._bounded(key, self[key], _MOST_LAYERS)

    def _bounded(self, key: str, value: Any, most: int) -> Any:
        if isinstance(value, int) and value > most:
            raise UserError(f"{self.file}: {key} is above {most:,}, which no model has; fetch the file again")
        return value

    def refuse(self, harmless: Mapping[str, Any]) -> None:
        """Raise ``UserError`` for an option that is set to anything but its harmless value."""
        for key, value in harmless.items():
            given = self.values.get(key, value)
            if given is not None and given != value:
                raise self.error(key, f"the decoder computes only {key} {_plain(value)}")

    def translate(self, key: str, known: Mapping[str, str], default: str) -> str:
        """Our word for the value of ``key``."""
        given = self.get(key, default)
        if given not in known:
            raise self.error(key, f"the decoder has {', '.join(known)}")
        return known[given]

    def error(self, key: str, remedy: str) -> UserError:
        """That the value of ``key`` cannot be reproduced."""
        given = _plain(self.values.get(key))
        return UserError(f"{self.file}: {key} {given} cannot be reproduced: {remedy}; use another model")


@contextmanager
def described_by(file: Path) -> Iterator[None]:
    """Whatever values in ``file`` make no config are its fault: the error says so."""
    try:
        yield
    except UserError as error:
        known = str(error).startswith(str(file))
        raise error if known else UserError(f"{file}: makes no model: {error}") from error
    except (TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise UserError(f"{file}: a value is of the wrong kind ({error}); fetch the file again") from error


def broken_rules(config: ModelConfig, rules: list[Rule]) -> list[str]:
    """What a layout cannot express, each with what would fit."""
    labels = config.labels()
    return [
        f"{key} {labels.get(key, getattr(config, key))} (use {fits})" for ok, key, fits in rules if not ok
    ]


def shared_rules(config: ModelConfig) -> list[Rule]:
    """What holds for every layout."""
    return [
        (config.norm_placement == "pre", "norm_placement", "pre"),
        (config.attention_gate == "none", "attention_gate", "none"),
        (config.attention_softcap is None, "attention_softcap", "null"),
    ]


def default_scale(config: ModelConfig) -> bool:
    """Whether scores are scaled by 1/sqrt(head width)."""
    usual = config.head_width**-0.5
    return config.attention_scale is None or abs(config.attention_scale - usual) < 1e-9 * usual


def refusal(layout: str, problems: list[str]) -> UserError:
    """That ``layout`` has no words for parts of a config."""
    return UserError(f"{layout} cannot express {'; '.join(problems)}; or write another layout")


def _plain(value: Any) -> str:
    if isinstance(value, list | dict):
        return repr(value)
    return {None: "null", True: "true", False: "false"}.get(value, repr(value))
