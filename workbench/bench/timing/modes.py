"""Arithmetic and compilation: the four ways in which a step is measured."""

from dataclasses import dataclass

from workbench.training.config import TrainingConfig


@dataclass(frozen=True)
class Mode:
    """``precision`` is "fp32" or "bf16" (autocast, weights in fp32)."""

    precision: str
    compiled: bool

    @property
    def name(self) -> str:
        """``fp32``, or ``bf16, compiled``."""
        return self.precision + (", compiled" if self.compiled else "")


MODES = tuple(Mode(precision, compiled) for compiled in (False, True) for precision in ("fp32", "bf16"))


def default_mode(device: str) -> Mode:
    """What a trial uses on ``device`` when its study does not say."""
    training = TrainingConfig(tokens=1, batch_size=1).resolve(device)
    return Mode(training.precision, bool(training.compile))
