"""Where step times are measured, and for how long."""

from dataclasses import dataclass

BLOCKS = 20  # of each pair, where nobody asks for another number
BLOCK_SECONDS = 4.0  # that a block takes, at least
SHORTEST_BLOCK = 1.0  # seconds: shorter ones are what a clock and a scheduler do


@dataclass(frozen=True)
class Cell:
    """Where step times are measured: ``device`` is "cpu" or "cuda", ``precision`` "fp32" or "bf16"."""

    device: str
    precision: str
    compiled: bool | str

    @property
    def words(self) -> str:
        """``cpu, fp32, eager``."""
        how = "compiled" if self.compiled is True else str(self.compiled).replace("_", " ")
        return f"{self.device}, {self.precision}, {how if self.compiled else 'eager'}"


CELLS = {
    "cpu": Cell("cpu", "fp32", False),
    "gpu": Cell("cuda", "bf16", False),
    "gpu-compiled": Cell("cuda", "bf16", True),
}
