"""How a model is trained: everything of a trial but its model, its data, its seed and its learning rate."""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from workbench.quantities import LARGEST_TOKENS, Number, Whole
from workbench.user_values import read_as

# What is the same for every variant of a study: how much is trained on and judged by, and what only says how
# this machine goes about it. Every other field may be a factor.
_SAME_FOR_ALL = ("tokens", "evaluations", "evaluation_tokens", "probes", "compile", "threads")
_LARGEST_BATCH = 2**24
_MOST_THREADS = 4096
_Decay = Annotated[Number, Field(ge=0, lt=1)]


class TrainingConfig(BaseModel):
    """AdamW with warm-up and cosine decay, as in LLaMA (arXiv 2302.13971, section 2.3).

    ``tokens`` is the budget of one trial, rounded up so that ``evaluations`` fall at equal distances.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: Whole = Field(gt=0, le=LARGEST_TOKENS, description="training tokens of one trial")
    batch_size: Whole = Field(gt=0, le=_LARGEST_BATCH, description="sequences per step")
    betas: tuple[_Decay, _Decay] = Field((0.9, 0.95), description="AdamW's decay rates of the moments")
    epsilon: Number = Field(1e-8, gt=0, le=1, description="AdamW's denominator constant")
    weight_decay: Number = Field(0.1, ge=0, description="decoupled, on matrices only")
    clip: Number | None = Field(1.0, gt=0, description="largest gradient norm; null switches clipping off")
    warmup: Number = Field(0.1, ge=0, lt=1, description="fraction of the steps with a rising learning rate")
    final_rate: Number = Field(0.1, ge=0, le=1, description="last learning rate as a fraction of the peak")
    evaluations: Whole = Field(
        10,
        gt=0,
        description="validations per trial, evenly spaced, the last at the end; left out: 10 or each step",
    )
    evaluation_tokens: Whole = Field(
        65_536, gt=0, le=LARGEST_TOKENS, description="validation tokens, the same for every trial"
    )
    probes: Number = Field(
        0.05, ge=0, description="time for measuring heads and positions, as a share of the training time"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 on a GPU, fp32 on a CPU"
    )
    compile: Literal["auto", "cuda_graphs"] | bool = Field(
        "auto", description="torch.compile; auto: on a GPU; cuda_graphs: and replay its kernels as graphs"
    )
    threads: Whole = Field(1, gt=0, le=_MOST_THREADS, description="CPU threads of one trial")

    @classmethod
    def factors(cls) -> list[str]:
        """The fields whose levels a study may compare."""
        return [name for name in cls.model_fields if name not in _SAME_FOR_ALL]

    def with_levels(self, **changes: Any) -> "TrainingConfig":
        """Itself with ``changes``, checked as a study file's; raises ``UserError`` that names the key."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return read_as(TrainingConfig, given | changes)

    def steps(self, context: int) -> int:
        """Optimizer steps: the budget over the tokens per step, up to a multiple of ``evaluations``."""
        return math.ceil(self._needed_steps(context) / self.evaluations) * self.evaluations

    def budget_problem(self, context: int) -> str | None:
        """Why the budget cannot be kept, with the remedy: more evaluations than it has steps, or None."""
        needed = self._needed_steps(context)
        if self.evaluations <= needed or "evaluations" not in self.model_fields_set:
            return None
        return (
            f"training.evaluations: {self.evaluations:,} would multiply the budget: {self.tokens:,} tokens "
            f"are {needed:,} steps of {self.batch_size:,} × {context:,}; give {needed:,} or fewer"
        )

    def fitted(self, context: int) -> "TrainingConfig":
        """Itself, with as many evaluations as there are steps where it was left out and they are fewer."""
        fewer = min(self.evaluations, self._needed_steps(context))
        return self if fewer == self.evaluations else self.model_copy(update={"evaluations": fewer})

    def _needed_steps(self, context: int) -> int:
        return math.ceil(self.tokens / (self.batch_size * context))

    def resolve(self, device: str) -> "TrainingConfig":
        """Replace every ``auto`` by what it means on ``device`` ("cpu" or "cuda")."""
        on_gpu = device == "cuda"
        precision = self.precision
        if precision == "auto":
            precision = "bf16" if on_gpu else "fp32"
        compiled = on_gpu if self.compile == "auto" else self.compile
        return self.model_copy(update={"precision": precision, "compile": compiled})
