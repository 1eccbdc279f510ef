"""The study file: a question, written in YAML, and nothing that the question does not need.

Every error names the file, the key and the remedy. Defaults are the field's usual choices; what a
study leaves out is written into its manifest, so that a result never depends on a later default.
"""

import math
import os
import re
import sys
from itertools import combinations, count, islice
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from workbench.errors import UserError, printable, suggestion
from workbench.files import read_yaml
from workbench.number_types import Number, Whole
from workbench.numbers import plural
from workbench.records.manifest import WILCOXON
from workbench.records.margin import DEFAULT, Margins
from workbench.records.run import Phase
from workbench.study.gain_section import GainSection
from workbench.study.overrides import apply_override
from workbench.study.search_section import FIGURES, HYPERBAND, SECONDS, SIZES, SearchSection
from workbench.study.tuning import AGAIN, FEWEST_TO_RACE, HALVING, RATES, Tuning
from workbench.training.config import LARGEST_BATCH, TrainingConfig
from workbench.user_input import read_as
from workbench.user_numbers import LARGEST_SEED, LARGEST_TOKENS, read_whole

# Seeds given as a count are numbered from here: the phases never share a seed.
FIRST_SEED = {Phase.TUNE: 1_001, Phase.CONFIRM: 2_001}
PHASES = tuple(FIRST_SEED)
FIRST_GAIN_SEED = 4_001  # behind all that confirm may take
Level = str | bool | int | float | list[Number] | dict[str, Any] | None
# Beyond every published model, and small enough to be counted through; what fits into memory is less.
LARGEST = {"layers": 512, "width": 2**17, "heads": 2**12, "feedforward_width": 2**20, "context": 2**24}
MOST_VARIANTS, MOST_TRIALS = 512, 100_000
UNTIL_DECIDED = "until_decided"
DISMANTLE = "dismantle"
MOST_RUNGS = 16
AT_LEAST, AT_MOST, MOST_PAIRS = 4, 64, 1_024
_SHIPPED = Path(__file__).parent.parent / "ablations"  # in an installed package
_MOST_SEEDS, _MOST_RATES = 1_000, 100
_LARGEST_OFFSET = 10**12  # far below the largest seed
_Rates = Annotated[
    list[Annotated[Number, Field(ge=RATES[0], le=RATES[1])]], Field(min_length=1, max_length=_MOST_RATES)
]
_Margin = Annotated[Number, Field(gt=0)]
_Design = Literal["one_at_a_time", "full_factorial", "leave_one_out", "dismantle", "explicit", "search"]
# What the workbench keeps under results beside studies.
TAKEN_NAMES = ("published", "imported", "benchmarks", "archive")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_EVALUATION_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN_METRICS = ("train", "validation")  # what metrics of every run begin with
METRICS = ("validation/loss", "validation/bits_per_byte")
_Budget = Literal["tokens", "bytes", "flops", "pool", "seconds", "memory"]
_BUDGET = "budget"  # the key of a variant of its own, which is no level
_OTHER_METRIC = "/bits_per_byte"  # of an evaluation text behind the first, after its name
_ERROR = "/error"  # of a generated task, after its name


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _is_generated(spec: Any) -> bool:
    return isinstance(spec, dict) and "generated" in spec


class Size(_Section):
    """Overrides of the baseline preset's size."""

    layers: Whole | None = Field(
        None,
        gt=0,
        le=LARGEST["layers"],
        description="How many blocks of attention and feed-forward network the model has. Left out: the "
        "baseline preset's.",
    )
    width: Whole | None = Field(
        None,
        gt=0,
        le=LARGEST["width"],
        description="Dimensions of the residual stream, which every part reads and writes; a multiple of "
        "heads. Left out: the baseline preset's.",
    )
    heads: Whole | None = Field(
        None,
        gt=0,
        le=LARGEST["heads"],
        description="Attention heads of each layer, which share the width. Left out: the baseline preset's.",
    )
    feedforward_width: Whole | None = Field(
        None,
        gt=0,
        le=LARGEST["feedforward_width"],
        description="Hidden units of each feed-forward network. Of a variant it is what match may change. "
        "Left out: 4 times the width, for gated networks 8/3 of it up to a multiple of 8, or what the "
        "baseline preset publishes.",
    )


class Rung(_Section):
    """One rung of a ladder: how large its models are, and how long each of them trains."""

    size: Size = Field(
        Size(),
        description="What the rung's baseline has of another size than the study's key size says. Every "
        "variant of the rung is matched to that baseline. Left out: as the study's key size says.",
    )
    tokens: Whole = Field(
        gt=0,
        le=LARGEST_TOKENS,
        description="Training tokens of one trial of the rung, in place of training.tokens.",
        examples=[1000000],
    )
    batch_size: Whole | None = Field(
        None,
        gt=0,
        le=LARGEST_BATCH,
        description="Windows of context tokens in one optimizer step of the rung. Left out: "
        "training.batch_size.",
        examples=[16],
    )
    learning_rates: _Rates | None = Field(
        None,
        description="Peak learning rates that the rung's variants try, as many as the study's. Larger models "
        "want smaller ones. Left out: the study's learning_rates.",
        examples=[[0.001, 0.002, 0.004]],
    )

    @field_validator("learning_rates")
    @classmethod
    def _each_once(cls, value: list[float] | None) -> list[float] | None:
        return None if value is None else _sorted_rates(value)


class Data(_Section):
    """What is trained on: a corpus and a tokenizer."""

    corpus: str | dict[str, Any] = Field(
        "python-stdlib",
        description="The text that is trained and validated on (workbench list corpora). Documents are "
        "split into training and validation by their content. Left out: python-stdlib; with start, that "
        "run's.",
    )
    tokenizer: str | dict[str, Any] = Field(
        "bytes",
        description="How text becomes tokens: bytes, byte pairs learned from the training text, or a "
        "model's own tokenizer. Left out: bytes; for a generated task the ids that it and the tasks under "
        "data.evaluation have; with start, that run's.",
        examples=["bytes", {"bpe": 4096}, {"file": "path/tokenizer.json"}],
    )
    evaluation: dict[str, str | dict[str, Any]] = Field(
        {},
        description="Texts that every variant is judged on, by name: the same text and the same bytes, "
        "whatever a variant's tokenizer, context and corpus are. Of each source what is held out for "
        "validation is read, and no variant trains on an exact copy; validation_fraction: 1 reads all of it. "
        "The first text gives validation/loss and validation/bits_per_byte, each other NAME/bits_per_byte. "
        "A generated task gives NAME/accuracy, NAME/error (1 - accuracy), NAME/exact_match and NAME/loss, "
        "and as the first validation/loss; the vocabulary must have its ids. "
        "Needed where corpora are compared. Left out: the validation text of data.corpus, which for a task "
        "has the task's name.",
        examples=[
            {"in_domain": "python-stdlib", "prose": {"path": "path/prose"}},
            {"recall": {"generated": "recall"}, "longer": {"generated": "recall", "length": 128}},
        ],
    )

    @model_validator(mode="before")
    @classmethod
    def _ids_of_a_task(cls, value: Any) -> Any:
        """A generated task has ids for tokens; what is wrong with it is said where corpora are read."""
        if not isinstance(value, dict) or "tokenizer" in value or not _is_generated(value.get("corpus")):
            return value
        from workbench.data.tasks.registry import largest_vocabulary  # it needs torch

        evaluation = value.get("evaluation")
        named = list(evaluation.values()) if isinstance(evaluation, dict) else []
        ids = largest_vocabulary([value["corpus"], *named])
        return value if ids is None else value | {"tokenizer": {"ids": ids}}

    @field_validator("evaluation")
    @classmethod
    def _sound_names(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not _EVALUATION_NAME.fullmatch(name) or name in _TAKEN_METRICS:
                raise ValueError(
                    f"{name!r} is no name of an evaluation text; take small letters, digits and '_', another "
                    f"name than {' and '.join(_TAKEN_METRICS)}, for example in_domain"
                )
        return value


class Seeds(_Section):
    """Seeds of each phase: a count, or the seeds themselves. 0 switches a phase off, except ``confirm``."""

    pilot: int | list[int] = Field(
        0,
        description="Of earlier versions, and without effect: the first pairs of confirm are the pilot, as "
        "they show the noise of a difference at the tuned rates. Files that have it are read; leave it out.",
        examples=[0],
    )
    tune: int | list[int] = Field(
        3,
        description="Seeds with which each variant tries every learning rate. With two or more, and three "
        "rates, the optimum of a quadratic through the losses is confirmed, else the rate with the lowest "
        "mean. A rate chosen by one seed is chosen by luck: equal variants then differ in what they were "
        "given. With a single learning rate the phase is left out.",
    )
    confirm: int | list[int] | Literal["until_decided"] = Field(
        8,
        description="Fresh seeds with which every variant is trained at its own learning rate. Each is a "
        "pair with the baseline's; the verdict rests on these alone, so that at least one is needed. "
        "until_decided: as many as it takes. One looks at at_least pairs, at each power of two beyond it and "
        "at at_most, and a comparison that has its verdict gets no more; the intervals are wider, so that "
        "looking often is no way to a wrong word.",
        examples=[8, "until_decided"],
    )
    at_least: Whole = Field(
        AT_LEAST,
        ge=2,
        le=MOST_PAIRS,
        description="Pairs at the first look, where confirm is until_decided.",
    )
    at_most: Whole = Field(
        AT_MOST,
        ge=2,
        le=MOST_PAIRS,
        description="Pairs at the last look, where confirm is until_decided.",
    )
    offset: Whole = Field(
        0,
        ge=0,
        le=_LARGEST_OFFSET,
        description="Added to every seed of a phase that is given as a count. A study that was looked at "
        "before it was changed, or that repeats another, is run on fresh seeds with an offset of its own.",
        examples=[10_000],
    )

    @field_validator("pilot", "tune", "confirm", mode="before")
    @classmethod
    def _sound(cls, value: Any, info: ValidationInfo) -> int | list[int] | str:
        if info.field_name == "confirm" and value == UNTIL_DECIDED:
            return UNTIL_DECIDED
        if isinstance(value, list):
            return _sound_seeds([read_whole(seed) for seed in value])
        count = read_whole(value)
        if not isinstance(count, int) or not 0 <= count <= _MOST_SEEDS:
            raise ValueError(f"give a count from 0 to {_MOST_SEEDS:,}, or a list of seeds")
        return count

    @model_validator(mode="after")
    def _looks(self) -> "Seeds":
        for key in ("at_least", "at_most"):
            if key in self.model_fields_set and not self.until_decided:
                raise ValueError(f"{key} belongs to 'confirm: {UNTIL_DECIDED}'; remove it, or write that")
        if self.at_most < self.at_least:
            raise ValueError(f"at_most is {self.at_most}, fewer than at_least, {self.at_least}; give more")
        return self

    @property
    def until_decided(self) -> bool:
        """Whether a comparison gets pairs until it has its verdict, at most ``at_most``."""
        return self.confirm == UNTIL_DECIDED

    @model_validator(mode="after")
    def _disjoint(self) -> "Seeds":
        lists = self.lists()
        if not lists[Phase.CONFIRM]:
            raise ValueError("the confirm phase needs at least one seed; it is what the verdict rests on")
        for first, second in combinations(PHASES, 2):
            shared = sorted(set(lists[first]) & set(lists[second]))
            if shared:
                raise ValueError(f"{first} and {second} share seeds {shared}; confirm on fresh seeds")
        return self

    def lists(self) -> dict[Phase, list[int]]:
        """The seeds of each phase, written out; until all is decided, all that it may take."""
        return {phase: self._list(phase) for phase in PHASES}

    def _list(self, phase: Phase) -> list[int]:
        value = getattr(self, phase)
        if isinstance(value, list):
            return value
        if value == UNTIL_DECIDED:
            value = self.at_most
        first = FIRST_SEED[phase] + self.offset
        return list(range(first, first + value))


def _sound_seeds(seeds: list[Any]) -> list[int]:
    if not all(isinstance(seed, int) and 0 <= seed <= LARGEST_SEED for seed in seeds):
        raise ValueError(f"seeds are whole numbers from 0 to {LARGEST_SEED:,} (2^53); give others")
    if len(set(seeds)) < len(seeds):
        raise ValueError("seeds must be different; name each once")
    if len(seeds) > _MOST_SEEDS:
        raise ValueError(f"{len(seeds):,} seeds are more than {_MOST_SEEDS:,}; give fewer")
    return seeds


def _sorted_rates(rates: list[float]) -> list[float]:
    if len(set(rates)) < len(rates):
        raise ValueError("each learning rate once, please")
    return sorted(rates)


class StudyFile(_Section):
    """A whole study file, checked."""

    name: Annotated[str, Field(max_length=80)] = Field(
        description="What the study and the folder of its results are called. Letters, digits, '_', '-' and "
        "'.' only. Left out: the file's name without its ending.",
        examples=["squared-relu"],
    )
    question: Annotated[str, Field(min_length=1)] = Field(
        description="What the study asks, in words; every report begins with it.",
        examples=["Does squared ReLU do as well as SwiGLU?"],
    )
    start: str | None = Field(
        None,
        description="A trained run whose weights every variant starts from, as far as it shares them. It is "
        "a run id, study/variant, or imported/NAME; size, context, tokenizer and baseline are then that "
        "run's. Left out: every variant starts from fresh values.",
        examples=["imported/gpt2"],
    )
    baseline: str | dict[str, Level] = Field(
        "llama",
        description="The model that every variant is compared with. It is a preset (workbench list "
        "presets), or a preset with levels that differ from its own. Left out: llama; with start, that "
        "run's model.",
        examples=["gpt2", {"preset": "llama", "norm": "layernorm"}],
    )
    size: Size = Field(Size(), description="How large the models are, where it is not as the preset says.")
    rungs: list[Rung] = Field(
        [],
        max_length=MOST_RUNGS,
        description="A ladder: the same variants at several sizes and budgets, from the least compute to the "
        "most, each tuned anew at each rung and confirmed on as many seeds. The report says of every effect "
        "whether it holds, shrinks, grows or flips with compute. Every rung has tokens of its own, so that "
        "training.tokens is left out; for the designs one_at_a_time, full_factorial, leave_one_out and "
        "explicit. Left out: none, the study has one size and one budget.",
        examples=[
            [
                {"size": {"layers": 2, "width": 64}, "tokens": 200000},
                {"size": {"layers": 4, "width": 128}, "tokens": 800000},
            ]
        ],
    )
    context: Whole | None = Field(
        None,
        gt=1,
        le=LARGEST["context"],
        validate_default=False,
        description="How many tokens a training window has, the most that the model sees at once. Needed, "
        "but with start. Left out: with start, that run's.",
        examples=[128],
    )
    design: _Design = Field(
        "one_at_a_time",
        description="Which variants there are. one_at_a_time: each level of each factor alone against the "
        "baseline; full_factorial: every combination of levels; leave_one_out: the baseline with one part "
        "at a time taken from the reference, and the whole reference; dismantle: all that lies between two "
        "recipes, from and to, each part exchanged alone at both ends; explicit: those listed under "
        "variants; search: architectures and hyperparameters together as one Optuna study, which is "
        "exploratory and gives no verdict.",
    )
    factors: dict[str, Annotated[list[Level], Field(max_length=MOST_VARIANTS)]] = Field(
        {},
        description="What is varied: for each factor its levels, the baseline's own among them. A level is "
        "a value, or a mapping with the level's name and options. Needed by the designs one_at_a_time and "
        "full_factorial. Left out: none.",
        examples=[
            {"norm": ["rmsnorm", "layernorm"], "positions": ["rope", {"name": "rope", "base": 500000}]}
        ],
    )
    reference: str | dict[str, Level] | None = Field(
        None,
        description="What the design leave_one_out takes one at a time: a preset's parts, levels, or both. "
        "That design needs it. Left out: none.",
        examples=["gpt2", {"preset": "gpt2", "weight_decay": 0.01}],
    )
    from_: str | dict[str, Level] | None = Field(
        None,
        alias="from",
        description="The recipe that the design dismantle takes apart, and its baseline: a preset, or a "
        "mapping of levels with a preset. Each end is trained as its preset was published, but for what "
        "stands under training, which both have. That design needs it. Left out: none.",
        examples=["llama", {"preset": "llama", "optimizer": "lion"}],
    )
    to: str | dict[str, Level] | None = Field(
        None,
        description="The recipe that the design dismantle takes the parts from: a preset, a preset with "
        "levels, or levels that differ from those of the recipe under from. Of every part on which the two "
        "differ there is the one recipe with that part as in the other, at both ends; what does nothing, or "
        "cannot be, without another part is exchanged with it. Where seeds.confirm is until_decided all "
        "variants go on together. That design needs it. Left out: none.",
        examples=["gpt2", {"preset": "gpt2", "tokenizer": {"bpe": 512}}],
    )
    variants: list[dict[str, Level]] = Field(
        [],
        max_length=MOST_VARIANTS,
        description="The variants of the design explicit. Each has a name, and the levels in which it "
        "differs from the baseline or a preset whose parts it has. Its size may name a feedforward_width "
        "too, where match is none. Its budget may be another than the study's: what it alone trains on as "
        "much of as the baseline, so that one study asks at equal tokens and at equal FLOPs. Left out: none.",
        examples=[
            [{"name": "all of GPT-2", "preset": "gpt2"}, {"name": "post-norm", "norm_placement": "post"}],
            [
                {"name": "half the layers", "size": {"layers": 2}},
                {"name": "half the layers at equal FLOPs", "size": {"layers": 2}, "budget": "flops"},
            ],
        ],
    )
    controls: bool = Field(
        False,
        description="Whether the study has a negative control beside its variants: null-twin, the baseline "
        "with one matrix drawn under another name, which nothing but noise can tell from it. It is a row of "
        "the table, tuned and judged like any other, and should come out as equivalent or inconclusive.",
    )
    search: SearchSection | None = Field(
        None,
        description="What the design search varies, and what it looks for. That design needs it, with "
        "seeds.tune as the seeds of each point, and no factors, margin, or other phases. Left out: none.",
    )
    match: Literal["parameters", "flops", "none"] = Field(
        "parameters",
        description="What is held equal when a swap changes the size. The feed-forward width is solved "
        "until the parameters outside embedding tables and head agree, or the FLOPs per token. none: every "
        "width stays. Left out: parameters; with start, and where search.space has sizes, none.",
    )
    data: Data = Field(Data(), description="What is trained on: a corpus, and how its text becomes tokens.")
    training: TrainingConfig = Field(
        description="How each trial is trained: the same for every variant, but for what the study varies."
    )
    learning_rates: Annotated[
        # Tags as pydantic names the branches of a union, so that an error's key leaves them out.
        Annotated[_Rates, Tag("list[rates]")] | Annotated[dict[str, _Rates], Tag("dict[rates]")],
        Discriminator(lambda value: "dict[rates]" if isinstance(value, dict) else "list[rates]"),
    ] = Field(
        [],
        validate_default=False,
        description="Peak learning rates. Every variant tries each of them with the seeds of seeds.tune and "
        "is confirmed at its own best one, which may lie between two; a single one is used as it is. Where "
        "levels need scales of their own: a list for each level of one factor, or for each variant, as many "
        "rates in each. Needed, but with tuning and search. Left out: with tuning, its space says them; with "
        "the design search it is a single one for all points, or search.space has a learning_rate.",
        examples=[[0.002, 0.004, 0.008], {"adamw": [0.002, 0.004], "muon": [0.01, 0.02]}],
    )
    grid_growth: Whole = Field(
        2,
        ge=0,
        le=10,
        description="How often learning_rates may be extended when a best one lies at an edge. That is when "
        "the best rate of any variant is the smallest or the largest tried, and some rate is worse than it "
        "beyond noise; the new rates are tried by all variants. 0 keeps the list as it is.",
    )
    halving: bool = Field(
        False,
        description="Whether tuning stops the worse learning rates of a variant early. All of them are "
        "trained in one program, and the worse half stops once half of the steps and of the schedule's fall "
        "have passed, and again after three quarters; with two or more seeds.tune three rates go on. It "
        "saves compute with many rates; one that is good only at the end can be lost, and the report says "
        "how much that could have cost.",
    )
    tuning: Tuning | None = Field(
        None,
        description="What is tuned for each variant where that is more than a list of learning rates: a "
        "space, a sampler and a number of trials, the same for all variants. It replaces learning_rates, "
        "grid_growth and halving. With several dimensions the three best points of a variant run again on "
        "three fresh seeds; the best of them is confirmed. Left out: learning_rates alone are tuned.",
        examples=[
            {
                "space": {
                    "learning_rate": {"low": 0.001, "high": 0.01, "log": True},
                    "weight_decay": [0, 0.1, 0.3],
                },
                "sampler": "tpe",
                "trials": 12,
            }
        ],
    )
    seeds: Seeds = Field(
        Seeds(),
        description="Seeds of each phase: how many (0 to 1_000), or a list of the seeds themselves. No two "
        "phases share one.",
    )
    budget: _Budget = Field(
        "tokens",
        description="What every variant has as much of: training tokens, bytes of text, FLOPs, passes over "
        "its text, seconds of training, or bytes in memory. training.tokens is the baseline's; with the "
        "others those of each other variant are solved, and the mismatch that whole steps leave is shown. A "
        "variant of the design explicit may name another, as its own key budget. Where tokenizers are "
        "compared, tokens are no equal budget. pool is for comparing treatments or corpora: all are made "
        "from one pool, and each trains on what is left of it as often as the baseline does, so that a "
        "treatment that drops 30 % trains on 30 % fewer tokens. Equal tokens from a pool of limited "
        "size, which repeat where less is left, are budget: tokens with max_bytes beside the corpus. "
        "seconds: run measures, before its first trial, how long a step of each variant takes in turn "
        "with the baseline's, and keeps that in the manifest. memory: the batch size of each variant is "
        "solved so that a training step holds as many bytes of parameters, gradients, optimizer and what "
        "the forward pass saves; tokens are equal then.",
    )
    metric: str = Field(
        METRICS[0],
        description="What variants are compared by: validation/loss, in nats per token; "
        "validation/bits_per_byte of the same text, which can be compared across tokenizers; or "
        "NAME/bits_per_byte of another text under data.evaluation; or NAME/error of a generated task, the "
        "share of its answers that are wrong. Lower is better in all of them.",
        examples=[METRICS[1], "prose/bits_per_byte", "recall/error"],
    )
    margin: Annotated[
        # Tags as pydantic names the branches of a union, so that an error's key leaves them out.
        Annotated[_Margin, Tag("float")] | Annotated[dict[str, _Margin], Tag("dict[margins]")],
        Discriminator(lambda value: "dict[margins]" if isinstance(value, dict) else "float"),
    ] = Field(
        math.nan,
        validate_default=False,
        description="How large a difference must be to matter to you, in units of the metric. It is "
        "declared before the results are known, and the verdict compares each difference's interval with "
        "it. Where factors have margins of their own: one by factor, and a default for all others; a "
        "variant that changes several factors has the smallest of theirs. Needed, but with the design "
        "search, which gives no verdict. Left out: with the design search, none.",
        examples=[0.01, {"default": 0.02, "norm": 0.04}],
    )

    gain: GainSection | None = Field(
        None,
        description="Budgets beside training.tokens at which the baseline is trained too, so that the report "
        "says what each variant is worth in compute: how much more of it the baseline needs for the same "
        "loss, with an interval. The learning rate is chosen anew at the smallest and the largest, from "
        "learning_rates with the seeds of seeds.tune, and follows between them. Those runs are a phase of "
        "their own, and no verdict rests on them. Left out: no gains.",
        examples=[{"tokens": [100_000, 200_000, 800_000, 1_600_000], "seeds": 3}],
    )

    @field_validator("name")
    @classmethod
    def _sound_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            possible = re.sub(r"[^A-Za-z0-9_.-]+", "-", value).strip("-._")
            raise ValueError(
                f"{value!r} names a folder and has letters, digits, '_', '-' and '.' only; write 'name: "
                f"{possible or 'my-study'}' into the file, or rename the file"
            )
        if value.casefold() in TAKEN_NAMES:
            raise ValueError(f"{value!r} is a folder of the workbench's own; choose another name")
        if value.endswith((".", ".tmp")) or ".." in value:
            raise ValueError(f"{value!r} is no sound name of a folder for its dots; choose another name")
        return value

    @field_validator("learning_rates")
    @classmethod
    def _each_once(cls, value: list[float] | dict[str, list[float]]) -> list[float] | dict[str, list[float]]:
        if isinstance(value, dict):
            counts = {level: len(rates) for level, rates in value.items()}
            if len(set(counts.values())) != 1:
                shown = ", ".join(f"{level} {count}" for level, count in counts.items()) or "none"
                raise ValueError(f"give as many to each level, tuning is equal for all; there are {shown}")
            return {level: _sorted_rates(rates) for level, rates in value.items()}
        return _sorted_rates(value)

    @field_validator("margin")
    @classmethod
    def _has_default(cls, value: Margins) -> Margins:
        if isinstance(value, dict) and DEFAULT not in value:
            own = ", ".join(f"{factor}: {margin:g}" for factor, margin in value.items()) or "norm: 0.04"
            raise ValueError(
                f"has no '{DEFAULT}', the margin of what has none of its own; "
                f"write {{{DEFAULT}: 0.02, {own}}}"
            )
        return value

    @model_validator(mode="after")
    def _design_has_its_parts(self) -> "StudyFile":
        own = {
            "leave_one_out": ("reference",),
            "dismantle": ("from", "to"),
            "explicit": ("variants",),
            "search": ("search",),
        }
        given = {
            "factors": self.factors,
            "from": self.from_,
            "reference": self.reference,
            "search": self.search,
            "to": self.to,
            "variants": self.variants,
        }
        needed = own.get(self.design, ("factors",))
        for key in needed:
            if not given[key]:
                raise ValueError(f"design {self.design} needs the key '{key}'")
        for key, value in given.items():
            if value and key not in needed:
                raise ValueError(
                    f"design {self.design} has no use for the key '{key}'; remove it, or change the design"
                )
        if self.design == DISMANTLE and self.baseline != self.from_:
            raise ValueError(
                f"baseline: the design {DISMANTLE} has its baseline under from; remove the key baseline"
            )
        self._check_factors()
        self._check_start()
        self._check_budget()
        self._check_metric()
        if self.controls and self.start is not None:
            raise ValueError(
                "controls: a study that starts from a run draws no initial values, and a null twin would be "
                "the baseline itself; remove it"
            )
        if self.rungs:
            self._check_ladder()
        if self.search is not None:
            self._check_search(self.search)
            return self
        if "margin" not in self.model_fields_set:
            raise ValueError("margin: this key is needed and missing")
        self._check_tuning()
        if self.gain is not None:
            self._check_gain(self.gain)
        return self

    def _check_gain(self, gain: GainSection) -> None:
        """What a gain is read from must be the baseline's loss as it falls with tokens alone."""
        if self.start is not None:
            raise ValueError(
                "gain: a study that starts from a run asks what a swap costs a trained model, and how much "
                "compute went into that is not known; remove gain, or start"
            )
        if self.tuning is not None:
            raise ValueError(
                "gain: goes by the learning rate alone, from budget to budget; write learning_rates in place "
                "of tuning, or remove gain"
            )
        if self.metric.endswith(_ERROR):
            raise ValueError(
                f"gain: needs a loss, which falls steadily with compute, and {self.metric} is none; write "
                f"'metric: {METRICS[0]}', or remove gain"
            )
        own = self.training.tokens
        if own in gain.tokens:
            raise ValueError(
                f"gain.tokens: {own:,} is training.tokens, at which the confirm runs stand already; remove it"
            )
        if not gain.tokens[0] < own < gain.tokens[-1]:
            side = "below" if gain.tokens[0] > own else "above"
            raise ValueError(
                f"gain.tokens: has no budget {side} training.tokens ({own:,}), where a gain could lie as "
                "well; add one"
            )
        if not self.context:
            return
        for tokens in gain.tokens:
            trained = self.training.model_copy(update={"tokens": tokens})
            problem = trained.budget_problem(self.context)
            if problem:
                raise ValueError(f"gain.tokens: {tokens:,}: {problem}, or larger budgets")
            steps = trained.fitted(self.context).steps(self.context)
            if self.training.warmup and not round(self.training.warmup * steps):
                raise ValueError(
                    f"gain.tokens: {tokens:,} are {plural(steps, 'step')}, of which training.warmup "
                    f"({self.training.warmup:g}) is none; give larger budgets"
                )

    def _check_ladder(self) -> None:
        """The rungs must be comparable: the same variants, tuned alike, on as many seeds."""
        self._refuse_beside_rungs()
        if len(self.rungs) < 2:
            raise ValueError(
                "rungs: a ladder has two or more; add one, or write the one under size and training.tokens"
            )
        studies = []
        for number in range(len(self.rungs)):
            try:
                studies.append(self.at_rung(number))
            except UserError as error:
                raise ValueError(f"rungs.{number}.{error}") from None
        for number, (rung, study) in enumerate(zip(self.rungs, studies, strict=True)):
            key = f"rungs.{number}"
            for earlier in studies[:number]:
                if (study.size, study.training) == (earlier.size, earlier.training):
                    raise ValueError(f"{key}: has the size and the training of an earlier rung; remove one")
            if rung.learning_rates is not None:
                if self.tuning is not None:
                    raise ValueError(f"{key}.learning_rates: has no use beside tuning; remove it, or tuning")
                if len(rung.learning_rates) != self.rates_tried:
                    raise ValueError(
                        f"{key}.learning_rates: give {self.rates_tried}, as many as the study's, since all "
                        "rungs are tuned alike"
                    )
            problem = study.training.budget_problem(self.context) if self.context else None
            if problem:
                raise ValueError(f"{key}: {problem}")

    def _refuse_beside_rungs(self) -> None:
        """What a ladder has no use for, each with its remedy."""
        if self.design in ("search", DISMANTLE):
            raise ValueError(
                f"rungs: the design {self.design} has one size and one budget; remove the key rungs, or take "
                "the design one_at_a_time or explicit"
            )
        if self.gain is not None:
            raise ValueError(
                "rungs: the other budgets of the baseline, under gain, would be those of one rung; remove "
                "one of the two keys"
            )
        if self.start is not None:
            raise ValueError(
                "rungs: a study that starts from a run has that run's size; remove start or rungs"
            )
        if self.seeds.until_decided:
            raise ValueError(
                "seeds.confirm: how many seeds a rung has must not depend on what it found, or effects of "
                "rungs could not be compared; give a count, for example 8"
            )
        if "size" in self.factors:
            raise ValueError("factors.size: a ladder has its sizes under rungs; remove the factor")
        if isinstance(self.reference, dict) and "size" in self.reference:
            raise ValueError("reference.size: a ladder has its sizes under rungs; remove it")
        for index, variant in enumerate(self.variants):
            for key, remedy in (("size", "its sizes"), (_BUDGET, "its budgets")):
                if key in variant:
                    raise ValueError(f"variants.{index}.{key}: a ladder has {remedy} under rungs; remove it")

    def at_rung(self, number: int) -> "StudyFile":
        """The study of one rung alone, the first is 0: its size, tokens, batches and learning rates.

        Raises ``UserError`` with the key for batches that the study's training cannot have.
        """
        rung = self.rungs[number]
        own: dict[str, Any] = {"tokens": rung.tokens}
        if rung.batch_size is not None:
            own["batch_size"] = rung.batch_size
        update: dict[str, Any] = {
            "rungs": [],
            "size": self.size.model_copy(update=rung.size.model_dump(exclude_none=True)),
            "training": self.training.with_levels(**own),
        }
        if rung.learning_rates is not None:
            update["learning_rates"] = rung.learning_rates
        return self.model_copy(update=update)

    def _check_tuning(self) -> None:
        seeds = len(self.seeds.lists()[Phase.TUNE])
        if self.tuning is None:
            if not self.learning_rates:
                raise ValueError("learning_rates: are missing; give for example [0.002, 0.004, 0.008]")
            if self.rates_tried > 1 and not seeds:
                raise ValueError(
                    "several learning_rates need seeds.tune of at least 1 to choose between them"
                )
            return
        instead = {
            "learning_rates": "write them into tuning.space, as learning_rate",
            "grid_growth": "the space says how far tuning goes",
            "halving": "write tuning.pruner: halving",
        }
        for key, remedy in instead.items():
            if key in self.model_fields_set:
                raise ValueError(f"{key}: has no use beside tuning: {remedy}; remove it, or tuning")
        if not seeds:
            raise ValueError("seeds.tune: tuning needs at least 1; give a count")
        if self.tuning.pruner == WILCOXON and seeds < FEWEST_TO_RACE:
            raise ValueError(
                f"tuning.pruner: wilcoxon goes by several tuning seeds, and stops nothing with "
                f"{plural(seeds, 'seed')}; give seeds.tune of {FEWEST_TO_RACE} or more, or no pruner"
            )

    def _check_start(self) -> None:
        if self.start is None:
            if self.context is None:
                raise ValueError("context: how many tokens a window has is missing; give for example 128")
            return
        given = self.model_fields_set
        if self.design == DISMANTLE:
            raise ValueError(
                f"start: the design {DISMANTLE} compares whole recipes, which are trained from fresh values; "
                "remove the key start, or swap parts of the run with the design one_at_a_time"
            )
        if "size" in given:
            raise ValueError("size: a study that starts from a run has that run's size; remove it")
        if "baseline" in given and (isinstance(self.baseline, str) or "preset" in self.baseline):
            raise ValueError(
                "baseline: a study that starts from a run has that run's model; remove it, or give levels to "
                "change, for example {norm: layernorm}"
            )
        if self.design == "leave_one_out" or any("preset" in variant for variant in self.variants):
            raise ValueError("start: presets have sizes of their own; name the parts to swap as factors")

    def _check_metric(self) -> None:
        known = self._metrics()
        if self.metric in known:
            return
        sets = self._judged_by()
        first = next(iter(sets), "validation")
        name, _, kind = self.metric.rpartition("/")
        if _is_generated(sets.get(name)) and kind in ("accuracy", "exact_match", "loss"):
            raise ValueError(
                f"metric: a verdict reads lower as better; write {name}{_ERROR}, which is 1 - accuracy "
                "(accuracy, exact_match and loss are recorded beside it)"
            )
        if self.metric.removesuffix(_OTHER_METRIC) == first and not _is_generated(sets.get(first)):
            raise ValueError(f"metric: {first} is the first of data.evaluation; write {METRICS[1]}")
        raise ValueError(f"metric: unknown metric {self.metric!r}; {suggestion(self.metric, known)}")

    def _metrics(self) -> list[str]:
        """What a trial is measured by."""
        sets = self._judged_by()
        first = next(iter(sets), "validation")
        own = METRICS[:1] if _is_generated(sets.get(first)) else METRICS  # an answer has no bytes
        tasks = [name for name, source in sets.items() if _is_generated(source)]
        texts = [name for name in sets if name not in (first, *tasks)]
        return [*own, *(f"{name}{_OTHER_METRIC}" for name in texts), *(f"{name}{_ERROR}" for name in tasks)]

    def _judged_by(self) -> dict[str, Any]:
        """The evaluation sets by name: those that are named, or the task that is trained on."""
        if self.data.evaluation or not isinstance(self.data.corpus, dict):
            return self.data.evaluation
        name = self.data.corpus.get("generated")
        return {} if name is None else {str(name): self.data.corpus}

    def _check_search(self, search: SearchSection) -> None:
        """What else a study file says must be what a search has a use for."""
        given = self.model_fields_set
        if self.controls:
            raise ValueError("controls: a search has no rows that a control could stand beside; remove it")
        for key in ("margin", "halving", "grid_growth", "tuning", "gain"):
            if key in given:
                raise ValueError(
                    f"{key}: a search gives no verdict and tunes no variant by itself; remove it"
                )
        for key in ("pilot", "confirm", "at_least", "at_most"):
            if key in self.seeds.model_fields_set:
                raise ValueError(f"seeds.{key}: a search has seeds.tune, for each of its points; remove it")
        if not self.seeds.lists()[Phase.TUNE]:
            raise ValueError("seeds.tune: a search trains each point at least once; give 1 or more")
        if self.budget != "tokens":
            raise ValueError("budget: every point of a search has as many tokens; remove the key")
        if search.sizes and self.match != "none":
            raise ValueError(
                f"match: {', '.join(search.sizes)} would be undone where sizes are matched; write "
                "'match: none'"
            )
        if search.sizes and self.start is not None:
            raise ValueError(
                f"search.space.{search.sizes[0]}: a study that starts from a run has that run's; remove it"
            )
        self._check_rate(search)
        known = [*self._metrics(), *FIGURES, SECONDS]
        for name in search.objectives:
            if name not in known:
                raise ValueError(f"search.objectives: unknown objective {name!r}; {suggestion(name, known)}")
        self._check_rungs(search)
        if search.trials * len(self.seeds.lists()[Phase.TUNE]) > MOST_TRIALS:
            raise ValueError(f"search.trials: with all seeds more than {MOST_TRIALS:,} runs; give fewer")

    def _check_rungs(self, search: SearchSection) -> None:
        """Hyperband's smallest rung must still be a training: with all evaluations, and a warm-up."""
        if search.pruner != HYPERBAND:
            return
        rungs = search.rungs(self.training.tokens)
        if len(rungs) < 2:
            raise ValueError(
                f"search.least_tokens: {search.least_tokens:,} are more than a third of training.tokens "
                f"({self.training.tokens:,}), which leaves hyperband no rung below it; give fewer"
            )
        if not self.context:
            return
        remedy = "raise training.tokens or search.least_tokens"
        rung = self.training.model_copy(update={"tokens": rungs[0]})
        if problem := rung.budget_problem(self.context):
            raise ValueError(f"search.pruner: of hyperband's smallest rung: {problem}, or {remedy}")
        steps = rung.fitted(self.context).steps(self.context)
        if self.training.warmup and not round(self.training.warmup * steps):
            raise ValueError(
                f"search.pruner: hyperband's smallest rung, {rungs[0]:,} tokens, is {plural(steps, 'step')}, "
                f"of which training.warmup ({self.training.warmup:g}) is none; {remedy}"
            )

    def _check_rate(self, search: SearchSection) -> None:
        """Every trial has a learning rate: from the space, or one for all."""
        searched = "learning_rate" in search.space
        if searched and self.learning_rates:
            raise ValueError("learning_rates: search.space has a learning_rate; remove one of them")
        if not searched and (not isinstance(self.learning_rates, list) or self.rates_tried != 1):
            raise ValueError(
                "search.space.learning_rate: is missing; give {low: 1e-3, high: 1e-2, log: true}, or a "
                "single rate for all points as 'learning_rates: [0.003]'"
            )

    def _check_factors(self) -> None:
        for factor, levels in self.factors.items():
            if len(levels) < 2:
                raise ValueError(f"factor '{factor}' needs at least two levels, the baseline's first")

    def _check_budget(self) -> None:
        for index, variant in enumerate(self.variants):
            own, known = variant.get(_BUDGET, self.budget), get_args(_Budget)
            if own not in known:
                raise ValueError(
                    f"variants.{index}.{_BUDGET}: should be one of {', '.join(known)}, got {own!r}"
                )
        if self.rungs and "seconds" in {self.budget, *(one.get(_BUDGET) for one in self.variants)}:
            raise ValueError(
                f"{_BUDGET}: seconds are measured for one size, and a ladder has several; take a study for "
                "each rung, or 'budget: flops'"
            )
        # Of a ladder each rung's own budget is looked at.
        problem = self.training.budget_problem(self.context) if self.context and not self.rungs else None
        if problem:
            raise ValueError(problem)
        cores = os.cpu_count() or 1
        if self.training.threads > cores:
            raise ValueError(
                f"training.threads: {self.training.threads:,} are more than this machine's {cores} cores; "
                f"give {cores} or less"
            )
        if self.halves and not self.training.execution.is_usual:
            key = "halving" if self.halving else "tuning.pruner"
            raise ValueError(
                f"{key}: the candidates of a variant train in one program where the worse are stopped early, "
                f"and here each trial is computed on {self.training.execution.words()}; remove {key}, or "
                "devices, gradient_accumulation and activation_checkpointing from training"
            )
        key, variants = self._most_variants()
        variants *= max(1, len(self.rungs))
        if variants > MOST_VARIANTS:
            raise ValueError(
                f"{key}: {variants:,} variants are more than {MOST_VARIANTS:,}; leave levels out, or take "
                "another design"
            )
        counts = {phase: len(seeds) for phase, seeds in self.seeds.lists().items()}
        each = self.tuning_trials + counts[Phase.CONFIRM]
        trials = variants * each + sum(self.trials_by_budget)
        if trials > MOST_TRIALS:
            raise ValueError(
                f"seeds: {trials:,} trials of {variants:,} variants are more "
                f"than {MOST_TRIALS:,}; give fewer seeds, rates or variants"
            )

    def _most_variants(self) -> tuple[str, int]:
        """The key that says how many variants there are, and at most how many it makes."""
        levels = [len(levels) for levels in self.factors.values()]
        controls = 1 if self.controls else 0
        if self.design == "full_factorial":
            return "factors", prod(levels) + controls
        if self.design == "one_at_a_time":
            return "factors", 1 + sum(levels) - len(levels) + controls
        return "variants", 1 + len(self.variants) + controls

    def budget_unit(self, name: str) -> str:
        """What the variant ``name`` trains on as much of as the baseline: its own budget, or the study's."""
        own = {variant.get("name"): variant[_BUDGET] for variant in self.variants if _BUDGET in variant}
        return str(own.get(name, self.budget))

    @property
    def rates_tried(self) -> int:
        """How many learning rates, or points, each variant tries, before a grid grows."""
        if self.tuning is not None:
            return self.tuning.points
        if isinstance(self.learning_rates, dict):
            return len(next(iter(self.learning_rates.values())))
        return len(self.learning_rates)

    @property
    def fresh_seeds(self) -> list[int]:
        """The seeds at which the best points are run again: the first free ones behind those of tuning."""
        tuned_at = self.seeds.lists()[Phase.TUNE]
        if self.tuning is None or not self.tuning.again or not tuned_at:
            return []
        taken = {seed for seeds in self.seeds.lists().values() for seed in seeds}
        behind = count(max(tuned_at) + 1)
        return list(islice((seed for seed in behind if seed not in taken), AGAIN))

    @property
    def tuning_trials(self) -> int:
        """How many tuning trials each variant has, before a grid grows."""
        again = self.tuning.again if self.tuning is not None else 0
        return len(self.seeds.lists()[Phase.TUNE]) * self.rates_tried + again * len(self.fresh_seeds)

    @property
    def gain_seeds(self) -> list[int]:
        """The seeds of the baseline's other budgets: none of them is another phase's."""
        if self.gain is None:
            return []
        taken = {seed for seeds in self.seeds.lists().values() for seed in seeds}
        behind = count(FIRST_GAIN_SEED + self.seeds.offset)
        return list(islice((seed for seed in behind if seed not in taken), self.gain.seeds))

    @property
    def trials_by_budget(self) -> list[int]:
        """How many trials each of these budgets has, the smallest first; the two ends are tuned too."""
        if self.gain is None:
            return []
        counts = [self.gain.seeds] * len(self.gain.tokens)
        for end in (0, -1):
            counts[end] += self.tuning_trials if Phase.TUNE in self.phases else 0
        return counts

    @property
    def halves(self) -> bool:
        """Whether tuning stops the worse candidates of a variant early, by their losses so far."""
        return self.halving or (self.tuning is not None and self.tuning.pruner == HALVING)

    @property
    def competing(self) -> int:
        """How many candidates of a variant compete with each other, where the worse are stopped early."""
        return self.rates_tried if self.tuning is None else self.tuning.round_size

    @property
    def window(self) -> int:
        """``context``, which a study that starts from a run has once it was completed by it."""
        assert self.context is not None
        return self.context

    @property
    def phases(self) -> list[Phase]:
        """The phases that this study runs, in order. With one learning rate there is nothing to tune."""
        if self.search is not None:
            return [Phase.SEARCH]
        seeds = self.seeds.lists()
        is_tuned = self.rates_tried > 1
        planned = [phase for phase in PHASES if seeds[phase] and (phase is not Phase.TUNE or is_tuned)]
        return planned if self.gain is None else [*planned, Phase.GAIN]


def study_files() -> list[Path]:
    """The study files that the package ships and those here, by name; one here goes before its namesake."""
    found = {path.name: path for folder in (_SHIPPED, Path("ablations")) for path in folder.glob("*.yaml")}
    return [found[name] for name in sorted(found)]


def find_study_file(study: Path) -> Path:
    """``study`` itself if it is a file; else the study file at hand of that name (``quickstart``)."""
    if study.exists():
        return study
    known = {path.stem: path for path in study_files()}
    if study.name in known:
        return known[study.name]
    raise UserError(
        f"{study}: the file is missing; {suggestion(study.stem, list(known)) if known else 'write one'}"
    )


def find_named_file(study: str) -> Path | None:
    """The study file that ``study`` is or names; None where only a study with results can be meant."""
    path = Path(study)
    if path.is_file():
        return path
    if path.is_dir():
        return None
    return next((file for file in study_files() if file.stem == study), None)


def load_study_file(path: Path, overrides: list[str] | None = None, *, complete: bool = True) -> StudyFile:
    """Read and check ``path``; ``overrides`` are ``key.inner=value`` strings that replace single keys.

    The study's directory is importable afterwards, so that a user's own parts and optimizers are found.
    Not ``complete``: without the baseline's recipe, which takes torch seconds to load; to find mistakes.
    """
    path = find_study_file(Path(path))
    values = read_yaml(path)
    for override in overrides or []:
        apply_override(values, override)
    return study_of(values, path, complete=complete)


def study_of(values: dict[str, Any], path: Path, *, complete: bool = True) -> StudyFile:
    """Check ``values``, which ``path`` holds or is to hold, and name the study after the file if it has none.

    As ``load_study_file`` in all else; ``values`` are changed.
    """
    for folder in (Path.cwd(), path.resolve().parent):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    values.setdefault("name", printable(path.stem))
    return parse_study(values, source=str(path), complete=complete)


def import_paths(path: Path) -> list[Path]:
    """Where a study's own components may lie: the present directory and the study file's."""
    return [Path.cwd(), find_study_file(path).resolve().parent]


def parse_study(values: dict[str, Any], source: str, *, complete: bool = True) -> StudyFile:
    """Check ``values`` as a study; raises ``UserError`` with one line per mistake."""
    if values.get("start"):
        # A feed-forward network of another width would leave none of the trained matrices in place.
        values = {"match": "none"} | values
    search = values.get("search")
    space = search.get("space") if isinstance(search, dict) else None
    if isinstance(space, dict) and set(SIZES) & space.keys():
        values = {"match": "none"} | values  # a size that is searched is not to be made equal again
    if values.get("design") == DISMANTLE and isinstance(values.get("from"), str | dict):
        values = {"baseline": values["from"]} | values
    if values.get("rungs"):
        values = _with_tokens_of_rungs(values, source)
    return read_as(StudyFile, with_published_training(values) if complete else values, file=source)


def _with_tokens_of_rungs(values: dict[str, Any], source: str) -> dict[str, Any]:
    """``values`` of a ladder with training.tokens, which its rungs say: here it stands for the last one's."""
    rungs, training = values["rungs"], values.get("training")
    if not isinstance(training, dict):
        return values  # wrong: validation says so
    if "tokens" in training:
        raise UserError(f"{source}: training.tokens: each rung has tokens of its own; remove the key")
    last = rungs[-1] if isinstance(rungs, list) and isinstance(rungs[-1], dict) else {}
    # Where the rung's are missing or wrong, validation names the rung's own key.
    try:
        tokens = read_whole(last.get("tokens"))
    except ValueError:
        tokens = None
    if not isinstance(tokens, int) or not 0 < tokens <= LARGEST_TOKENS:
        tokens = 1
    return values | {"training": training | {"tokens": tokens}}


def with_published_training(values: dict[str, Any]) -> dict[str, Any]:
    """``values`` with how the baseline's preset was trained, where the study says nothing of it.

    That serves all variants, but for the factors of training among its levels: a swap is one change. The
    warm-up stays the study's: 2000 of a published model's steps are less than one of a small study's.
    Where two recipes are taken apart each end has its own, which is then among the parts; what is published
    of the baseline alone serves for both.
    """
    training = values.get("training")
    if not isinstance(training, dict):
        return values  # wrong: validation and design say so
    baseline = values.get("baseline", "llama")
    published = _published_training(baseline if isinstance(baseline, dict) else {"preset": baseline})
    completed = values | {"training": published | training}
    to = values.get("to")
    if values.get("design") != DISMANTLE or not isinstance(to, str | dict):
        return completed
    to = to if isinstance(to, dict) else {"preset": to}
    if "preset" not in to:
        return completed
    own = {key: value for key, value in _published_training(to).items() if key not in training}
    return completed | {"to": to | own}


def _published_training(given: dict[str, Any]) -> dict[str, Any]:
    """How the preset among ``given`` levels was trained, without what these levels say themselves."""
    from workbench.model.presets import preset_names, recipe

    name = given.get("preset", "llama")
    if name not in preset_names():
        return {}
    own = {"warmup", *given}
    return {key: value for key, value in recipe(name).training.items() if key not in own}
