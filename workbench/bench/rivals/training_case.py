"""One case of training: a size in a mode, the trial, the hand-written loop and the bare loop in turn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.bench.rivals.contenders import BareLoop, make_run, train_for_real, training_of
from workbench.bench.rivals.counterpart import plain_config_of
from workbench.bench.rivals.plain import PlainLoop
from workbench.bench.sizes import Size, random_tokens
from workbench.bench.timing.modes import Mode
from workbench.bench.timing.seconds import Rounds
from workbench.bench.timing.spread import Spread
from workbench.bench.timing.turns import REAL, Turns
from workbench.training.hardware import peak_flops
from workbench.training.seconds import seconds_of

PLAIN, BARE = "hand-written", "bare"
LEAST_ROUNDS = 3
LEAST_STEPS, _MOST_STEPS = 2, 100  # of a turn
# The trial's length, of which it sees a part: it logs every 20 steps, as one of that length.
_TRIAL_STEPS = 4000


@dataclass(frozen=True)
class Case:
    """A size in a mode; ``with_bare`` adds the bare loop, which tells what Lightning costs."""

    size: Size
    mode: Mode
    with_bare: bool = False

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.size.name}, {self.mode.name}"

    @property
    def flops_per_step(self) -> int:
        """Training FLOPs of one step."""
        return self.size.model.flops_per_token() * self.size.tokens_per_step


@dataclass(frozen=True)
class Measured:
    """A case and what it took: seconds per step of each contender, in turn."""

    case: Case
    rounds: Rounds

    def rate(self, contender: str) -> Spread | None:
        """Tokens per second."""
        values = self.rounds.values.get(contender)
        return Spread.of([self.case.size.tokens_per_step / one for one in values]) if values else None

    @property
    def speed(self) -> Spread | None:
        """The trial's tokens per second over the hand-written loop's."""
        return self.rounds.ratio(PLAIN, REAL)

    def utilisation(self, device: str) -> Spread | None:
        """Share of the GPU's peak; None where that is not known."""
        peak = peak_flops(device, self.case.mode.precision)
        values = self.rounds.values.get(REAL)
        if not peak or not values:
            return None
        return Spread.of([self.case.flops_per_step / peak / one for one in values])

    @property
    def flops_per_second(self) -> float:
        """What the hand-written loop reached, to tell how long a larger size would take."""
        values = self.rounds.values.get(PLAIN) or self.rounds.values[REAL]
        return self.case.flops_per_step / Spread.of(values).median


def measure_case(case: Case, *, device: str, folder: Path, turn_seconds: float, seconds: float) -> Measured:
    """Train in turn for about ``seconds``; raises ``RuntimeError`` where the trial itself fails."""
    size = case.size
    mode = case.mode
    tokens = random_tokens(size.vocabulary)
    plain = _by_hand(case, tokens, device)
    training = training_of(size, steps=_TRIAL_STEPS, precision=mode.precision, compiled=mode.compiled)
    run = make_run(size.model, training, tokens, device=device, folder=folder)
    rivals: dict[str, Callable[[int], object]] = {PLAIN: plain.run}
    if case.with_bare:
        rivals[BARE] = BareLoop(run).run
    steps = _steps_of_a_turn(plain, device, turn_seconds)
    turns = Turns(rivals, steps=steps, device=device, seconds=seconds, least=LEAST_ROUNDS)
    train_for_real(run, turns.watcher)
    return Measured(case, turns.rounds)


def _by_hand(case: Case, tokens: np.ndarray, device: str) -> PlainLoop:
    return PlainLoop(
        plain_config_of(case.size.model),
        tokens,
        batch_size=case.size.batch_size,
        device=device,
        bf16=case.mode.precision == "bf16",
        compiled=case.mode.compiled,
        steps=_TRIAL_STEPS,
    )


def _steps_of_a_turn(plain: PlainLoop, device: str, seconds: float) -> int:
    plain.run(1)  # compiles, allocates
    once = seconds_of(lambda: plain.run(LEAST_STEPS), device) / LEAST_STEPS
    return max(LEAST_STEPS, min(_MOST_STEPS, round(seconds / once)))
