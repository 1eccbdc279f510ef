"""Components that go wrong on purpose, given to studies by import path."""

import os
import time
from dataclasses import dataclass

from torch import Tensor, distributed

from workbench.model.parts.norms import RMSNorm

PATIENCE = "SLOW_NORM_SECONDS"


class NanNorm(RMSNorm):
    """Returns not-a-number."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * float("nan")


class CrashingNorm(RMSNorm):
    """Raises."""

    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("the norm broke")


class HungryNorm(RMSNorm):
    """Runs out of memory."""

    def forward(self, x: Tensor) -> Tensor:
        raise MemoryError("no memory left")


class KillingNorm(RMSNorm):
    """Ends the process that trains it."""

    def forward(self, x: Tensor) -> Tensor:
        os.kill(os.getpid(), 9)
        return x


class ScaledNorm(RMSNorm):
    """A sound component of a user's own."""

    @dataclass(frozen=True, kw_only=True)
    class Config(RMSNorm.Config):
        """``scale`` multiplies the output."""

        scale: float = 2.0

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.config.scale


class SlowNorm(RMSNorm):
    """Gives a test the time to interrupt a trial, where the environment asks for it."""

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(float(os.environ.get(PATIENCE, "0")))
        return super().forward(x)


class OtherRankNorm(RMSNorm):
    """Raises in training, where the process is another than the first of several that compute a trial."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and distributed.is_initialized() and distributed.get_rank() > 0:
            raise RuntimeError("the norm broke on another rank")
        return super().forward(x)
