"""``step_times.json``: how long a training step of each variant takes, measured in turns with the baseline's.

Beside the manifest of a study whose step times were asked for: ``workbench steptimes``. A block is A B B A:
so many steps of the baseline, twice as many of the variant, so many of the baseline, so that what slows the
machine down for a while, and what drifts, falls on both.
"""

import math
from collections.abc import Mapping
from hashlib import sha256
from json import dumps
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from workbench.files import read_json, write_json
from workbench.numbers import percent
from workbench.records.cells import SHORTEST_BLOCK, Cell
from workbench.records.damaged_files import read_checked
from workbench.records.fields import Count, FiniteNumber, Moment

STEP_TIMES = "step_times.json"
MOST_BUSY = 0.1  # of all cores, by other processes while it was measured
REMEDY = "delete the file and give 'workbench steptimes' again"
# What of a TrainingConfig decides how long a step takes, beside the cell. What is usual is not written.
_OF_A_STEP = ("batch_size", "optimizer", "betas", "epsilon", "weight_decay", "clip", "threads")

_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Block = Annotated[list[_Seconds], Field(min_length=2, max_length=2)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class StepPair(_Part):
    """A variant and the baseline, block by block. ``*_step`` say what was measured: see ``step_digest``."""

    variant: str
    step: str
    baseline_step: str
    batch_size: Count  # of the variant
    context: Count
    baseline_batch_size: Count
    baseline_context: Count
    steps: Count  # of each side in a block
    # Seconds of a step of the variant, and of the baseline, in each block.
    blocks: Annotated[list[_Block], Field(min_length=1)]

    @property
    def log_ratios(self) -> list[float]:
        """``ln(seconds of the variant / seconds of the baseline)`` of each block."""
        return [math.log(ours / theirs) for ours, theirs in self.blocks]

    @property
    def ratio(self) -> float:
        """How many times the baseline's step the variant's takes: the median over blocks."""
        return math.exp(median(self.log_ratios))

    @property
    def ratio_per_token(self) -> float:
        """The same of a training token, as batches or contexts may differ."""
        ours = self.batch_size * self.context
        theirs = self.baseline_batch_size * self.baseline_context
        return self.ratio * theirs / ours

    @property
    def seconds(self) -> tuple[float, float]:
        """Seconds of a step of the variant, and of the baseline: medians over blocks."""
        return median(block[0] for block in self.blocks), median(block[1] for block in self.blocks)

    @property
    def shortest(self) -> float:
        """Seconds of the shortest block."""
        return min(self.steps * (ours + theirs) for ours, theirs in self.blocks)


class StepTimes(_Part):
    """One measurement: every variant in turn with the baseline, on one device in one arithmetic.

    ``load_average`` is of the minute before; ``others`` the part of all cores that other processes kept busy
    while it was measured. Either is None where the machine does not say it.
    """

    device: str  # cpu or cuda
    hardware: dict[str, Any]
    precision: str  # fp32 or bf16
    compiled: bool | str
    threads: Count
    baseline: str
    date: Moment
    load_average: FiniteNumber | None = None
    others: FiniteNumber | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    versions: dict[str, str] = {}
    pairs: Annotated[list[StepPair], Field(min_length=1)]

    @property
    def cell(self) -> Cell:
        """Where it was measured."""
        return Cell(self.device, self.precision, self.compiled)

    @property
    def doubts(self) -> list[str]:
        """Why no word may rest on it: the machine had other work, or the blocks are too short."""
        found = []
        if self.others is not None and self.others > MOST_BUSY:
            found.append(
                f"other processes kept {percent(self.others)} of the cores busy while step times were "
                f"measured ({self.cell.words}), and at most {percent(MOST_BUSY)} may be; measure again on a "
                "quiet machine"
            )
        shortest = min(pair.shortest for pair in self.pairs)
        if shortest < SHORTEST_BLOCK:
            found.append(
                f"a block of step times took {shortest:.2g} s ({self.cell.words}), and a second is the least"
            )
        return found

    def seconds_per_token(self, variant: str) -> float:
        """Seconds of a training token of a variant or the baseline: the baseline's median over all blocks,
        times the variant's ratio. Raises ``KeyError`` for a variant that was not measured.
        """
        theirs = median(block[1] for pair in self.pairs for block in pair.blocks)
        first = self.pairs[0]
        own = theirs / (first.baseline_batch_size * first.baseline_context)
        if variant == self.baseline:
            return own
        pair = self.pair(variant)
        if pair is None:
            raise KeyError(variant)
        return own * pair.ratio_per_token

    def pair(self, variant: str) -> StepPair | None:
        """The blocks of ``variant``; None where it was not measured."""
        return next((one for one in self.pairs if one.variant == variant), None)


class _File(_Part):
    measurements: list[StepTimes]


def step_digest(model: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    """What decides how long a step takes, as 12 hexadecimal digits: a model, and of how it is trained a part.

    Both are mappings, as in a manifest.
    """
    parts = {key: training[key] for key in _OF_A_STEP if key in training}
    return sha256(dumps({"model": dict(model), **parts}, sort_keys=True).encode()).hexdigest()[:12]


def read_step_times(study: Path) -> list[StepTimes]:
    """What was measured of a study, none where that is nothing; raises ``RecordError`` for a damaged file."""
    path = Path(study) / STEP_TIMES
    if not path.exists():
        return []
    return read_checked(path, _File, read_json, REMEDY).measurements


def write_step_times(study: Path, measured: StepTimes) -> None:
    """Keep ``measured`` beside the manifest, in place of what was measured in the same cell before."""
    others = [one for one in read_step_times(study) if one.cell != measured.cell]
    write_json(Path(study) / STEP_TIMES, _File(measurements=[*others, measured]).model_dump(mode="json"))
