"""``study.yaml``: the study, resolved, as it was promised before its first run.

Early manifests lack keys that came later: those have defaults here, and what was not given is not written.
Keys of newer versions are kept.
"""

import math
from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_serializer, with_config
from typing_extensions import TypedDict

from workbench.files import read_yaml, version, write_yaml
from workbench.numbers import plural
from workbench.records.damaged_files import read_checked
from workbench.records.fields import AsItIs, Count, FiniteNumber
from workbench.records.margin import DeclaredMargins, margin_for, smallest_margin
from workbench.records.run import Phase
from workbench.records.search import RecordedSearch
from workbench.records.space import Space, free
from workbench.records.step_times import StepTimes

MANIFEST = "study.yaml"
MANIFEST_REMEDY = "restore the file, or run the study again to rebuild it"

_PhaseName = Annotated[Phase, Field(strict=False)]
_Pair = Annotated[list[str], Field(min_length=2, max_length=2)]

_MarginPair = Annotated[list[DeclaredMargins], Field(min_length=2, max_length=2)]


class _Part(BaseModel):
    """A mapping in the manifest; what a newer version adds is kept."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class Transfer(_Part):
    """What a variant keeps of the weights that its study starts from."""

    kept: Count  # parameters
    fresh: Count  # parameters that start anew
    fresh_names: list[str]  # families of tensors
    unused_names: list[str]


class VariantBudget(_Part):
    """What a trial of one variant trains on, where the variants of a study differ in it."""

    tokens: Count
    bytes: FiniteNumber  # UTF-8 bytes of text that so many training tokens stand for
    flops: FiniteNumber  # of the whole training
    mismatch: FiniteNumber  # relative difference to the baseline's, in the unit that is held equal
    seconds: FiniteNumber | None = None  # of the whole training, by step times that were measured in turns
    memory: FiniteNumber | None = None  # bytes that a training step holds, where these are held equal
    unit: str | None = None  # what is held equal between the two, where it is not what the study's key says


class EvaluationSet(_Part):
    """A text that every variant is judged on, whatever it was trained on."""

    name: str
    description: str  # corpus and size in a line
    corpus: str | dict[str, Any]
    bytes: Count  # UTF-8 bytes that are scored
    fingerprint: str  # SHA-256 of the text

    @property
    def is_task(self) -> bool:
        """Whether a task generated it: it has answers, and its score is the share of wrong ones."""
        return isinstance(self.corpus, dict) and "generated" in self.corpus


def is_null_twin(change: Mapping[str, object]) -> bool:
    """Whether a change by factors is of nothing but the name by which one matrix was drawn."""
    return change.keys() == {"draws"}


class ManifestVariant(_Part):
    """One variant of the study, with what it costs."""

    name: str
    levels: dict[str, str] = {}  # of each factor, the baseline's too
    change: dict[str, _Pair] = {}  # of each factor that differs: the baseline's level, its own
    parameters: Count | None = None  # all of them
    nonembedding_parameters: Count | None = None
    flops_per_token: Count | None = None  # of training: forward and backward
    mismatch: FiniteNumber | None = None  # relative size difference that matching left; None: not matched
    start: Transfer | None = None  # in a study that starts from a run
    config_hash: str | None = None  # of its runs' configuration; None in early manifests
    model: dict[str, Any] = {}  # a ModelConfig as a mapping
    training: dict[str, Any] = {}  # what of a TrainingConfig differs from the study's
    data: dict[str, Any] = {}  # its corpus and tokenizer, as TextData, where they are not the study's
    budget: VariantBudget | None = None  # where variants differ in it; else the study's training tokens

    @property
    def is_null_twin(self) -> bool:
        """Whether it is the baseline but for the names by which one matrix was drawn: a negative control."""
        return is_null_twin(self.change)


class RecordedPart(_Part):
    """A part on which two recipes differ, and the variants that have it exchanged alone."""

    factors: list[str]
    out: str  # the variant that is the first recipe with this part as in the second
    into: str  # the variant that is the second recipe with this part as in the first


class RecordedStack(_Part):
    """What lies between two recipes: of the design ``dismantle``. The first is the baseline."""

    origin: str  # how the study file names the first
    whole: str  # the variant that is the second
    parts: Annotated[list[RecordedPart], Field(min_length=1)]


class GainRung(_Part):
    """The baseline at another budget than the study's, trained with a schedule of its own."""

    name: str  # which stands in its runs' records in place of a variant's
    tokens: Count  # of one trial
    config_hash: str


class RecordedGain(_Part):
    """What else the baseline is trained on, for compute-equivalent gains; the rungs by rising tokens.

    The rung at the study's own budget is not among them: it is the baseline's confirm runs.
    """

    rungs: Annotated[list[GainRung], Field(min_length=1)]
    seeds: list[Count]

    @property
    def ends(self) -> list[GainRung]:
        """The smallest and the largest budget: there the learning rate is chosen anew."""
        return [self.rungs[0], self.rungs[-1]]

    def trials_at(self, tuning: int) -> dict[int, int]:
        """How many trials there are by their tokens, with so many ``tuning`` trials at each end."""
        counts = {rung.tokens: len(self.seeds) for rung in self.rungs}
        for rung in self.ends:
            counts[rung.tokens] += tuning
        return counts


class RecordedRung(_Part):
    """One rung of a ladder, and which of the manifest's variants are its own."""

    size: dict[str, Count]  # of its baseline: layers, width, heads, feedforward_width
    tokens: Count  # of one trial
    batch_size: Count
    compute: FiniteNumber  # training FLOPs of one trial of its baseline
    learning_rates: list[FiniteNumber] | None = None  # where they are not the study's
    baseline: str  # a variant's name
    # Its variants by their names here, the baseline's first: what every rung calls them.
    variants: dict[str, str]

    @property
    def words(self) -> str:
        """``2 layers, width 64, 300,000 tokens``."""
        layers = self.size.get("layers", 0)
        return f"{plural(layers, 'layer')}, width {self.size.get('width', 0)}, {self.tokens:,} tokens"


class PlannedSeeds(_Part):
    """The seeds of each phase, written out."""

    pilot: list[Count] = []  # those that ended, of a study that an earlier version ran; no study plans one
    tune: list[Count] = []
    confirm: list[Count] = []


WILCOXON = "wilcoxon"  # the pruner that races points over tuning seeds
SECONDS = "seconds"  # the budget of as long a training for each variant, by measured step times
MEMORY = "memory"  # the budget of as many bytes in a training step, by another batch size
POOL = "pool"  # the budget of as many passes over its text for each variant
NOTHING = "nothing"  # the unit of two variants whose budgets were made equal to a third's, in other units


class PlannedTuning(_Part):
    """What is tuned for each variant, where that is more than a list of learning rates."""

    space: Space
    sampler: str
    trials: Count  # points of each variant
    pruner: str = "none"
    again: Count = 0  # of these the best are run again, at the seeds ``fresh``
    fresh: list[Count] = []

    @property
    def dimensions(self) -> list[str]:
        """The hyperparameters that may differ between points."""
        return free(self.space)


class StartingRun(_Part):
    """The run that a study starts from."""

    run: str  # its id
    sha256: str | None = None  # of its weights
    reference: str | None = None  # how the study file names it


class Amendment(_Part):
    """A change of the manifest after runs existed."""

    time: str | None = None
    before: str | None = Field(None, alias="from")  # hash of the manifest that was changed
    after: str | None = Field(None, alias="to")  # and of what it became
    keys: list[str] = []  # what differs between them
    margin: _MarginPair | None = None  # before and after, where it was changed
    complete: Count | None = None  # runs that were complete when the margin was changed


@with_config(ConfigDict(extra="allow", strict=True))
class Budget(TypedDict, total=False):
    """How a trial is trained: a ``TrainingConfig`` as a mapping, and what follows from it."""

    tokens: Count  # of one trial


@with_config(ConfigDict(extra="allow", strict=True))
class TextData(TypedDict, total=False):
    """What is trained on, as the corpus describes itself."""

    description: str  # corpus and tokenizer in a line
    corpus: str | dict[str, Any]
    tokenizer: str | dict[str, Any] | None
    fingerprint: str | None  # SHA-256 of the text
    train_tokens: Count


class Manifest(_Part):
    """What ``study.yaml`` holds."""

    name: str
    question: str = ""
    design: str | None = None  # of the study file; "import": models from elsewhere, nothing is compared
    match: str | None = None  # what matching made equal: parameters, flops or none
    metric: str
    # Differences within so many units of the metric do not matter; by factor where they have their own. NaN:
    # the manifest names none, and nothing can be judged by it.
    margin: DeclaredMargins = math.nan
    factors: dict[str, list[str]] = {}  # the levels of each, the baseline's first
    baseline: str  # a variant's name
    variants: list[ManifestVariant]
    stack: RecordedStack | None = None  # of the design dismantle: which variants belong to which part
    # Of a ladder, from the least compute to the most: which variants are compared with one another. What the
    # manifest says once (baseline, training) is the first rung's.
    rungs: list[RecordedRung] = []
    # The candidates, before a grid grows; of each level of a factor where levels have their own.
    learning_rates: list[FiniteNumber] | dict[str, list[FiniteNumber]] = []
    grid_growth: Count | None = None
    halving: bool = False
    tuning: PlannedTuning | None = None  # in place of the three above
    seeds: PlannedSeeds = PlannedSeeds()
    # At how many pairs one looks, where confirm runs until all is decided; none: at all seeds together.
    looks: list[Count] = []
    phases: list[_PhaseName] | None = None  # those that the study has, in order; None in early manifests
    context: Count | None = None  # tokens in a window, of the baseline
    # What a trial of every variant has as much of: tokens, bytes, flops, pool, seconds or memory. A variant's
    # own is its unit.
    budget: str = "tokens"
    # By which equal seconds were planned: measured once, before the first trial.
    step_times: StepTimes | None = None
    # The first is the metrics' validation/. None: the validation split of what is trained on.
    evaluation: list[EvaluationSet] = []
    training: Annotated[Budget, AsItIs] = {}
    data: Annotated[TextData, AsItIs] = {}
    start: StartingRun | None = None
    gain: RecordedGain | None = None  # the baseline's other budgets, where compute-equivalent gains are asked
    search: RecordedSearch | None = None  # of a search, which has points in place of variants
    hash: str | None = None  # of all above: what the study promises
    # Of the text that each variant trains on, copies of a document counted once; where texts or tokenizers
    # are compared, or a text is read more than once.
    unique_tokens: dict[str, Count] = {}
    # Whether it is there to calibrate the verdict: 'workbench noise' says so, beside its calibration.json.
    calibration: bool = False
    versions: dict[str, str] = {}  # of Python and the libraries
    git_commit: str | None = None
    git_dirty: bool | None = None
    command: str | None = None
    amendments: list[Amendment] = []

    @property
    def is_import(self) -> bool:
        """Whether it holds models from elsewhere instead of comparisons."""
        return self.design == Phase.IMPORT

    @property
    def is_search(self) -> bool:
        """Whether it is a search over architectures: exploratory, without comparisons and verdicts."""
        return self.search is not None

    @property
    def is_ladder(self) -> bool:
        """Whether it has the same variants at several sizes and budgets, each rung compared by itself."""
        return bool(self.rungs)

    def at_rung(self, number: int) -> "Manifest":
        """The manifest of one rung alone, the first is 0: its variants, its baseline, its training."""
        rung = self.rungs[number]
        variants = [variant for variant in self.variants if variant.name in rung.variants]
        baseline = next(variant for variant in variants if variant.name == rung.baseline)
        # A baseline changes nothing: what it has of its own is the rung's.
        training = {**self.training, **baseline.training}
        own = [
            {key: value for key, value in variant.training.items() if value != training.get(key)}
            for variant in variants
        ]
        update: dict[str, Any] = {
            "rungs": [],
            "baseline": rung.baseline,
            "variants": [
                variant.model_copy(update={"training": mine})
                for variant, mine in zip(variants, own, strict=True)
            ],
            "training": training,
            "unique_tokens": {
                name: count for name, count in self.unique_tokens.items() if name in rung.variants
            },
        }
        if rung.learning_rates is not None:
            update["learning_rates"] = rung.learning_rates
        return self.model_copy(update=update)

    @property
    def compared(self) -> "list[Manifest]":
        """What is compared with one another: the study itself, or each rung of a ladder."""
        if not self.is_ladder:
            return [self]
        return [self.at_rung(number) for number in range(len(self.rungs))]

    @property
    def names(self) -> list[str]:
        """The variants' names, in order."""
        return [variant.name for variant in self.variants]

    @property
    def rates_tried(self) -> int:
        """How many learning rates, or points, each variant tries, before a grid grows."""
        if self.tuning is not None:
            return self.tuning.trials
        grids = self.learning_rates
        return max(map(len, grids.values()), default=0) if isinstance(grids, dict) else len(grids)

    @property
    def tuning_trials(self) -> int:
        """How many tuning trials each variant has, before a grid grows."""
        again = self.tuning.again * len(self.tuning.fresh) if self.tuning is not None else 0
        return len(self.seeds.tune) * self.rates_tried + again

    @property
    def baseline_variant(self) -> ManifestVariant:
        """The variant that every other is compared with."""
        return next(variant for variant in self.variants if variant.name == self.baseline)

    @property
    def planned_hashes(self) -> set[str]:
        """The configurations that it plans, by their hashes; empty in early manifests."""
        planned = {variant.config_hash for variant in self.variants if variant.config_hash is not None}
        return planned | {rung.config_hash for rung in self.gain.rungs} if self.gain else planned

    @property
    def gain_trials(self) -> dict[int, int]:
        """How many trials of the baseline there are at other budgets, by their tokens."""
        if self.gain is None:
            return {}
        tunes = self.phases is not None and Phase.TUNE in self.phases
        return self.gain.trials_at(self.tuning_trials if tunes else 0)

    def text_of(self, variant: ManifestVariant) -> dict[str, Any]:
        """What runs of ``variant`` are trained on, as ``TextData``: the study's but for what is its own."""
        return {**self.data, **variant.data}

    def tokens_of(self, variant: ManifestVariant) -> int | None:
        """Training tokens of a trial of ``variant``; None where the manifest does not say."""
        if variant.budget is not None:
            return variant.budget.tokens
        tokens: int | None = {**self.training, **variant.training}.get("tokens")
        return tokens

    def budget_unit(self, variant: ManifestVariant) -> str:
        """What a trial of ``variant`` has as much of as one of the baseline: tokens, bytes, flops or pool."""
        own = variant.budget.unit if variant.budget is not None else None
        return own or self.budget

    @property
    def budget_units_differ(self) -> bool:
        """Whether some variant is compared at another equal budget than the study's."""
        return any(self.budget_unit(variant) != self.budget for variant in self.variants)

    def spent_by(self, variant: ManifestVariant, unit: str) -> float | None:
        """What a trial of ``variant`` takes of a budget: tokens, bytes, FLOPs, or passes.

        None where variants have no budgets of their own, or that is not recorded.
        """
        if variant.budget is None:
            return None
        if unit == POOL:
            return self.passes_of(variant)
        spent: float | None = getattr(variant.budget, unit, None)
        return spent

    def passes_of(self, variant: ManifestVariant) -> float | None:
        """How often a trial of ``variant`` goes through its training text; None where it is not recorded."""
        tokens, size = self.tokens_of(variant), self.text_of(variant).get("train_tokens")
        return tokens / size if tokens and size else None

    def epochs_of(self, variant: ManifestVariant) -> float | None:
        """How often a trial of ``variant`` reads each of its unique tokens, on the average.

        It is more than ``passes_of`` where the text has copies; None where it is not recorded.
        """
        tokens, unique = self.tokens_of(variant), self.unique_tokens.get(variant.name)
        return tokens / unique if tokens and unique else None

    @property
    def tokenizers_differ(self) -> bool:
        """Whether a token of one variant stands for other text than a token of another."""
        known = [self.tokenizer_of(name) for name in self.names]
        return any(one != known[0] for one in known)

    def tokenizer_of(self, name: str) -> Any:
        """What tells the tokenizer of the variant ``name`` from others; None where it is not recorded."""
        variant = next(one for one in self.variants if one.name == name)
        spec = self.text_of(variant).get("tokenizer")
        # What it does is known by its digest; the path of its file is no part of that.
        return spec.get("sha256", spec) if isinstance(spec, dict) else spec

    @property
    def smallest_margin(self) -> float:
        """The smallest margin that it declares; NaN where it declares none."""
        return smallest_margin(self.margin)

    def margin_for(self, factors: Iterable[str]) -> float:
        """The margin of a change of ``factors``: the smallest of theirs."""
        return margin_for(self.margin, factors)

    def margin_of(self, name: str) -> float:
        """The margin by which the variant ``name`` is judged; the default for the baseline."""
        return self.margin_for(next(one.change for one in self.variants if one.name == name))

    @property
    def incomparable(self) -> str | None:
        """Why nothing can be compared by it; None where all that a comparison needs is there."""
        if self.is_search:
            return "is a search, which compares nothing"
        if self.is_ladder:
            return self.wrong_in_rungs or "is a ladder, of which each rung is compared by itself"
        if math.isnan(self.smallest_margin):
            return "has no key 'margin'"
        if self.baseline not in self.names:
            return f"baseline: should be one of the variants ({', '.join(self.names)}), got {self.baseline!r}"
        if self.stack is not None and (problem := self._wrong_in(self.stack)):
            return f"stack: {problem}"
        factors = set(self.baseline_variant.levels)
        for variant in self.variants if self.design == "full_factorial" else ():
            if set(variant.levels) != factors:
                return f"variants: {variant.name}: levels: should name the factors that the baseline names"
        return None

    @property
    def wrong_in_rungs(self) -> str | None:
        """What is wrong in the rungs of a ladder: a name that is no variant's, or no variant of the rung."""
        for number, rung in enumerate(self.rungs):
            for name in rung.variants:
                if name not in self.names:
                    return f"rungs.{number}.variants: should name variants, got {name!r}"
            if rung.baseline not in rung.variants:
                return f"rungs.{number}.baseline: should be one of its variants, got {rung.baseline!r}"
            called = sorted(rung.variants.values())
            if called != sorted(set(self.rungs[0].variants.values())):
                return f"rungs.{number}.variants: should be those of the first rung, got {', '.join(called)}"
        return None

    def _wrong_in(self, stack: RecordedStack) -> str | None:
        """A name in the stack that is no variant's, or a factor that its second recipe does not change."""
        for name in [stack.whole, *(name for part in stack.parts for name in (part.out, part.into))]:
            if name not in self.names:
                return f"should name variants ({', '.join(self.names)}), got {name!r}"
        change = next(variant.change for variant in self.variants if variant.name == stack.whole)
        for factor in [factor for part in stack.parts for factor in part.factors]:
            if factor not in change:
                return f"parts: should be of factors that {stack.whole} changes, got {factor!r}"
        return None

    @field_serializer("phases")
    def _plain(self, phases: list[Phase] | None) -> list[str] | None:
        return None if phases is None else [str(phase) for phase in phases]  # YAML knows no enum

    def to_dict(self) -> dict[str, Any]:
        """The content of ``study.yaml``: what was given, in the order of the fields."""
        return self.model_dump(exclude_unset=True, by_alias=True)

    def write(self, study: Path) -> None:
        """Replace the manifest in the study's directory, atomically."""
        write_yaml(study / MANIFEST, self.to_dict())


def read_manifest(study: Path) -> Manifest:
    """The manifest in a study's directory; raises ``RecordError`` with the key when missing or damaged."""
    return read_checked(study / MANIFEST, Manifest, read_yaml, MANIFEST_REMEDY)


def kept_manifest(study: Path) -> Manifest:
    """As ``read_manifest``, but read once in a process for each version of the file: not to be changed."""
    return _read_once(study, version(study / MANIFEST))


@lru_cache(maxsize=512)
def _read_once(study: Path, current: Hashable) -> Manifest:
    return read_manifest(study)
