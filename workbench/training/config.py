"""How a model is trained: everything of a trial but its model, its data, its seed and its learning rate."""

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from workbench.errors import UserError
from workbench.number_types import Number, Whole
from workbench.records.execution import Execution, Strategy
from workbench.records.samples import SAMPLE_TEMPERATURE, SAMPLE_TOKENS
from workbench.user_input import read_as
from workbench.user_numbers import LARGEST_TOKENS

if TYPE_CHECKING:
    from workbench.model.parts.component import ComponentConfig, Registry

# What is the same for every variant of a study: how much is trained on and judged by, and what only says how
# this machine goes about it. Every other field may be a factor.
_EXECUTION = ("devices", "strategy", "gradient_accumulation", "activation_checkpointing")
_SAME_FOR_ALL = (
    "tokens",
    "evaluations",
    "evaluation_tokens",
    "probes",
    "samples",
    "compile",
    "threads",
    *_EXECUTION,
)
LARGEST_BATCH = 2**24
_MOST_THREADS = 4096
_MOST_DEVICES = 1024
MOST_SAMPLES = 16
_Prompt = Annotated[str, Field(min_length=1, max_length=2000)]
_Decay = Annotated[Number, Field(ge=0, lt=1)]
# The levels by default: kept as their names, so that nobody loads torch for them, and left out of what is
# written, so that the hashes of studies from before there were others still hold.
_USUAL = {"optimizer": "adamw", "schedule": "cosine"}
# What is left out of what is written where it is as it always was, for the same reason.
_UNWRITTEN = {**_USUAL, "rate_multiplier": 1.0, "draws": "usual"}


class TrainingConfig(BaseModel):
    """By default AdamW with warm-up and cosine decay, as in LLaMA (arXiv 2302.13971, section 2.3).

    ``tokens`` is the budget of one trial, rounded up so that ``evaluations`` fall at equal distances.
    ``optimizer`` and ``schedule`` are given by name, import path or as ``{name: lion, betas: [0.9, 0.98]}``,
    and are then a config of that level; the usual ones stay their names, and ``model_dump`` leaves them out.
    To validate a run's with the code that its study kept, give the context ``{"parts": folder}``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: Whole = Field(
        gt=0,
        le=LARGEST_TOKENS,
        description="Training tokens of one trial, its budget. Rounded up so that the evaluations fall at "
        "equal distances.",
        examples=[1000000],
    )
    batch_size: Whole = Field(
        gt=0, le=LARGEST_BATCH, description="Windows of context tokens in one optimizer step.", examples=[16]
    )
    optimizer: Any = Field(
        "adamw",
        description="What trains the model; one of your own is given by import path. Left out: adamw.",
        examples=["lion", {"name": "lion", "betas": [0.9, 0.98]}],
        json_schema_extra={"levels": "workbench.training.optimizers:OPTIMIZERS"},
    )
    betas: tuple[_Decay, _Decay] = Field(
        (0.9, 0.95),
        description="Decay rates of the gradient's mean and of its mean square, in adamw, adam and what muon "
        "leaves to AdamW. Left out: the baseline preset's, else [0.9, 0.95].",
        examples=[[0.9, 0.95]],
    )
    epsilon: Number = Field(
        1e-8,
        gt=0,
        le=1,
        description="What adamw, adam and muon's AdamW add to the root of the mean square before they divide "
        "by it. Left out: the baseline preset's, else 1e-8.",
    )
    weight_decay: Number = Field(
        0.1,
        ge=0,
        description="Weight decay, decoupled but in adam and sgd, where it is part of the gradient. Matrices "
        "alone decay, never norm weights, biases or scalars. Left out: the baseline preset's, else 0.1.",
    )
    clip: Number | None = Field(
        1.0,
        gt=0,
        description="Largest norm that the gradient of all parameters together may have. A longer one is "
        "scaled down to it; null switches clipping off. Left out: the baseline preset's, else 1.",
    )
    schedule: Any = Field(
        "cosine",
        description="The learning rate after the warm-up, from its peak to the end; one of your own is given "
        "by import path. Left out: cosine.",
        examples=["linear", {"name": "wsd", "decay": 0.1}],
        json_schema_extra={"levels": "workbench.training.schedules:SCHEDULES"},
    )
    warmup: Number = Field(
        0.1,
        ge=0,
        lt=1,
        description="Fraction of the steps over which the learning rate rises linearly to its peak.",
    )
    final_rate: Number = Field(
        0.1,
        ge=0,
        le=1,
        description="Learning rate at the end of training as a fraction of the peak, where the schedule "
        "falls to one: cosine, linear and wsd. Left out: the baseline preset's, else 0.1.",
    )
    rate_multiplier: Number = Field(
        1.0,
        gt=0,
        description="What every learning rate is multiplied with once it is chosen: a change of known size, "
        "which tuning does not take back where there is a single rate. Left out: 1.",
        examples=[1.1],
    )
    draws: Literal["usual", "twin"] = Field(
        "usual",
        description="By which names initial values are drawn. twin: one matrix, the query projection of the "
        "first block, is drawn under another name, with the same distribution: a null twin, which differs in "
        "its trajectory alone. The key controls adds one to a study. Left out: usual.",
    )
    evaluations: Whole = Field(
        10,
        gt=0,
        description="Validations of one trial, at equal distances, the last one at its end. Left out: 10, "
        "or as many as there are steps where they are fewer.",
    )
    evaluation_tokens: Whole = Field(
        65_536,
        gt=0,
        le=LARGEST_TOKENS,
        description="Most tokens that a validation reads. They are whole windows spread over the validation "
        "text, the same for every trial. Of texts under data.evaluation, and where tokenizers or contexts "
        "are compared, it is the most bytes of each; of a generated task the most tokens of whole sequences. "
        "A report says where they are too few for the margin.",
    )
    probes: Number = Field(
        0.05,
        ge=0,
        description="Time for measuring attention heads and positions, as a share of the training time. The "
        "dashboard's views show them. 0 measures nothing meanwhile; workbench probe can do it later.",
    )
    # Nothing that is measured depends on it: no record's configuration has it, and no run's identity.
    samples: Whole | tuple[_Prompt, ...] = Field(
        0,
        exclude=True,
        description="What each trial's model writes while it trains, before the first step and at every "
        "evaluation: continuations of so many beginnings from the validation text, or of the prompts in this "
        "list. The page Run shows them, step by step. "
        f"Each has {SAMPLE_TOKENS} tokens, drawn at temperature {SAMPLE_TEMPERATURE} by a "
        "generator of its own: losses are the same without them, and so is a run's identity. The clock of "
        "training stands still meanwhile. Left out: 0, none.",
        examples=[2, ["The ", "def main("]],
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="Which numbers are computed with: 32-bit floats, or bfloat16 where PyTorch's autocast "
        "takes it. auto: bf16 on a GPU, fp32 on a CPU.",
    )
    compile: Literal["auto", "cuda_graphs"] | bool = Field(
        "auto",
        description="Whether the model is compiled by torch.compile. auto: on a GPU. cuda_graphs: compiled, "
        "and its kernels are replayed as CUDA graphs.",
    )
    threads: Whole = Field(
        1,
        gt=0,
        le=_MOST_THREADS,
        description="CPU threads that one trial computes with, at most as many as this machine has cores. "
        "With several devices each of them has so many.",
    )
    # How a trial is computed (records.execution) is no part of what it is: no record's configuration has it.
    devices: Whole = Field(
        1,
        gt=0,
        le=_MOST_DEVICES,
        exclude=True,
        description="GPUs, or on a CPU processes, that one trial is computed on, all in one machine. Each "
        "takes an equal part of every batch, so that results differ by rounding alone. It is no part of a "
        "run's identity: an unfinished run goes on on another number.",
        examples=[2],
    )
    strategy: Strategy | None = Field(
        None,
        exclude=True,
        description="How several devices hold a model. ddp: each the whole of it. fsdp: each a part of its "
        "parameters, gradients and optimizer, for one too large for a GPU; on GPUs only. Left out: ddp.",
    )
    gradient_accumulation: Whole = Field(
        1,
        gt=0,
        le=LARGEST_BATCH,
        exclude=True,
        description="Pieces that a device computes its part of a batch in, one after another, adding up "
        "their gradients: takes less memory, and changes results by rounding alone.",
        examples=[4],
    )
    activation_checkpointing: bool = Field(
        False,
        exclude=True,
        description="Whether only the inputs of blocks are kept for the backward pass, which computes the "
        "rest again: takes less memory and about a third more time, and changes no result.",
    )

    @classmethod
    def factors(cls) -> list[str]:
        """The fields whose levels a study may compare."""
        return [name for name in cls.model_fields if name not in _SAME_FOR_ALL]

    def with_levels(self, **changes: Any) -> "TrainingConfig":
        """Itself with ``changes``, checked as a study file's; raises ``UserError`` that names the key."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return read_as(TrainingConfig, given | changes)

    @field_validator(*_USUAL)
    @classmethod
    def _level(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None, "a field has a name"
        usual = _USUAL[info.field_name]
        if isinstance(value, str) and value == usual:
            return value
        registry = _registry(info.field_name)
        try:
            config = registry.config(value, (info.context or {}).get("parts"))
            hash(config)
        except UserError as error:
            message = _misplaced(value, registry) or str(error).removeprefix(f"{registry.factor}: ")
            raise ValueError(message) from error
        except TypeError as error:  # configurations are compared and looked up by their hash
            raise ValueError(
                f"{config.name}: an option holds a mapping, or a list within a list; give numbers, text, "
                "true, false or a list of them"
            ) from error
        # Written with all its options at their defaults it is the same.
        return usual if config == registry.config(usual) else config

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        if self.schedule != _USUAL["schedule"]:
            self.schedule.check(self)
        return self

    @model_validator(mode="after")
    def _samples_can_be_written(self) -> Self:
        count = self.samples if isinstance(self.samples, int) else len(self.samples)
        if not 0 <= count <= MOST_SAMPLES:
            raise ValueError(f"samples: {count:,} are not 0 to {MOST_SAMPLES}; give fewer")
        if count and self.strategy == "fsdp":
            raise ValueError(
                "samples: with 'strategy: fsdp' no device has the whole model that would write; leave "
                "samples out, and ask 'workbench generate' when a run is complete"
            )
        return self

    @model_validator(mode="after")
    def _batch_has_its_pieces(self) -> Self:
        if self.strategy is not None and "devices" not in self.model_fields_set:
            raise ValueError(
                f"strategy: {self.strategy} is how several devices share a trial; give devices, for example "
                "'devices: 2', or leave strategy out"
            )
        pieces = self.devices * self.gradient_accumulation
        if self.batch_size % pieces:
            ways = "devices × gradient_accumulation"
            raise ValueError(
                f"batch_size: {self.batch_size:,} windows are no multiple of {ways} = {self.devices:,} × "
                f"{self.gradient_accumulation:,}, and each piece of a batch has as many; give a batch_size "
                f"of {-(-self.batch_size // pieces) * pieces:,}, or fewer pieces"
            )
        return self

    @field_serializer(*_USUAL)
    def _written_level(self, level: Any) -> Any:
        return level if isinstance(level, str) else level.to_dict()

    @model_serializer(mode="wrap")
    def _without_the_usual(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values = write(self)
        usual = _UNWRITTEN.items()
        return {key: value for key, value in values.items() if (key, value) not in usual}

    @property
    def execution(self) -> Execution:
        """How a trial is computed, beside what it is."""
        return Execution(
            devices=self.devices,
            strategy=(self.strategy or "ddp") if self.devices > 1 else None,
            gradient_accumulation=self.gradient_accumulation,
            activation_checkpointing=self.activation_checkpointing,
        )

    @property
    def foreign_parts(self) -> "list[ComponentConfig]":
        """The levels whose code is not the workbench's."""
        levels = [getattr(self, key) for key in _USUAL]
        return [level for level in levels if not isinstance(level, str) and level.component.foreign]

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


def _misplaced(value: Any, registry: "Registry") -> str | None:
    """What to write where a level of ours is given an option that is a key of ``training``; else None."""
    name = value.get("name") if isinstance(value, dict) else None
    if name not in registry.names():
        return None
    options = [field.name for field in fields(registry.get(name).Config)]
    for key in value:
        if key in TrainingConfig.model_fields and key not in options:
            return f"{name}: {key!r} is no option of it; write it as training.{key}"
    return None


def _registry(key: str) -> "Registry":
    """The levels of a key; they need torch, which takes seconds to load."""
    from workbench.training.optimizers import OPTIMIZERS
    from workbench.training.schedules import SCHEDULES

    return {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}[key]
