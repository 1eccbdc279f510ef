"""A recipe: all that a variant is. Whatever part of it a study compares is a factor, by one short name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from workbench.data.corpora import corpus_config, treated
from workbench.data.tokenizers import learned, parse_tokenizer
from workbench.errors import UserError, suggestion
from workbench.model.config import ModelConfig
from workbench.model.equivalence import behaviour
from workbench.model.parts.component import plain
from workbench.study.data_labels import corpus_label, tokenizer_label, treatment_label
from workbench.study.schema import LARGEST, Data, Size
from workbench.training.config import TrainingConfig
from workbench.training.optimizers import optimizer_config
from workbench.training.schedules import rate_factor
from workbench.user_input import read_as
from workbench.user_numbers import read_whole

SIZE = "size"  # a factor whose levels are layers, width and heads together: a ladder of sizes
CONTEXT, BATCH_SIZE = "context", "batch_size"
CORPUS, TREATMENT, TOKENIZER = "corpus", "treatment", "tokenizer"
_SIZES = ("layers", "width", "heads")
# What decides the rates of a training, and is compared by them: at so many steps.
_SCHEDULE = ("schedule", "warmup", "final_rate")
_OPTIMIZER = ("weight_decay", "betas", "epsilon")  # of which an optimizer reads some
_COMPARED_RATES = 1_000


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a trial is made of, beside its hyperparameters and its seed: model, training and data."""

    model: ModelConfig
    training: TrainingConfig
    data: Data

    def labels(self) -> dict[str, str]:
        """Each factor's level as short text, by the factor's name: ``norm``, ``weight_decay``.

        A name that two of the parts have is ``model.norm`` and ``training.norm``.
        """
        parts = self._labels()
        return {
            _named(part, factor, parts): label
            for part, labels in parts.items()
            for factor, label in labels.items()
        }

    def level(self, factor: str) -> Any:
        """The value that stands behind a factor's label."""
        part, name = self._find(factor)
        if name == SIZE:
            return {key: getattr(self.model, key) for key in _SIZES}
        if name == TREATMENT:
            return self.data.corpus.get(TREATMENT) if isinstance(self.data.corpus, dict) else None
        return getattr(getattr(self, part), name)

    def with_levels(self, **changes: Any) -> "Recipe":
        """This recipe with each level in its part; raises ``UserError`` with the key for what cannot be."""
        sent: dict[str, dict[str, Any]] = {"model": {}, "training": {}, "data": {}}
        for factor, level in changes.items():
            part, name = self._find(factor)
            sent[part][name] = level
        model = self.model
        if SIZE in sent["model"]:
            model = _sized(model, sent["model"].pop(SIZE))
        if CONTEXT in sent["model"]:
            sent["model"][CONTEXT] = _context(sent["model"][CONTEXT])
            batch_size = sent["training"].get(BATCH_SIZE) or self._batch_size(sent["model"][CONTEXT])
            sent["training"][BATCH_SIZE] = batch_size
        if sent["model"]:
            model = model.with_levels(**sent["model"])
        training = self.training
        if sent["training"]:
            training = training.with_levels(**sent["training"])
        data = self.data
        if sent["data"]:
            data = _with_texts(data, sent["data"])
        return replace(self, model=model, training=training, data=data)

    def at_point(self, levels: Mapping[str, Any], sizes: Mapping[str, int]) -> "Recipe":
        """This recipe with all levels and sizes of a point of a search, set together.

        Set one after another, a point that can be might pass through one that cannot. A size that follows
        from another (key heads, head width, feed-forward width) does, unless it is a size of the point.
        Raises ``UserError`` for what makes no model.
        """
        changes: dict[str, Any] = dict(sizes)
        training: dict[str, Any] = {}
        for factor, level in levels.items():
            part, name = self._find(factor)
            (training if part == "training" else changes)[name] = level
        model = self.model
        kind = changes.get("feedforward", model.feedforward)
        of_another_kind = kind not in (model.feedforward, model.feedforward.label)
        if "width" in sizes or of_another_kind:
            changes.setdefault("feedforward_width", None)
        if "heads" in sizes:
            changes.setdefault("key_value_heads", _shared_heads(model, sizes["heads"]))
        changed = model.with_levels(**changes) if changes else model
        trained = self.training.with_levels(**training) if training else self.training
        return replace(self, model=changed, training=trained)

    def at_size_of(self, other: "Recipe") -> "Recipe":
        """This recipe with the layers, width, heads and context of ``other``."""
        changes = {key: other.level(key) for key in (SIZE, CONTEXT) if other.level(key) != self.level(key)}
        return self.with_levels(**changes) if changes else self

    def with_vocabulary(self, vocabulary: int) -> "Recipe":
        """This recipe for a tokenizer of so many ids."""
        return replace(self, model=self.model.with_levels(vocabulary=vocabulary))

    def training_behaviour(self) -> str:
        """What training does at each step: equal where it is spelled differently and trains alike."""
        steps = self.training.steps(self.model.context)
        stride = max(1, steps // _COMPARED_RATES)
        places = [*range(0, steps, stride), steps - 1]
        rates = [rate_factor(step, steps, self.training) for step in places]
        read = optimizer_config(self.training).component.reads
        idle = [name for name in _OPTIMIZER if name not in read]
        left_out = ("tokens", *_SCHEDULE, *idle)
        others = [name for name in TrainingConfig.model_fields if name not in left_out]
        return repr((steps, rates, [getattr(self.training, name) for name in others]))

    def behaviour(self) -> str:
        """What runs compute: equal for recipes whose difference could only be noise."""
        return repr((behaviour(self.model), self.data)) + self.training_behaviour()

    def _batch_size(self, context: int) -> int:
        """The windows of ``context`` that hold as many tokens as a batch of this recipe.

        So a longer context alone changes neither the steps nor what they train on.
        """
        tokens = self.training.batch_size * self.model.context
        if tokens % context:
            raise UserError(
                f"context: a step of {self.training.batch_size:,} × {self.model.context:,} tokens is no "
                f"whole number of windows of {context:,}; take a context that divides {tokens:,}, or another "
                "training.batch_size"
            )
        return tokens // context

    def _labels(self) -> dict[str, dict[str, str]]:
        """Labels by part and factor."""
        size = "x".join(str(getattr(self.model, key)) for key in _SIZES)
        model = self.model.labels() | {SIZE: size, CONTEXT: str(self.model.context)}
        training = {name: _label(getattr(self.training, name)) for name in self.training.factors()}
        return {"model": model, "training": training, "data": _labels_of(self.data)}

    def _find(self, factor: str) -> tuple[str, str]:
        """The part and the field that a factor's name means."""
        parts = self._labels()
        known = {_named(part, name, parts): (part, name) for part, labels in parts.items() for name in labels}
        if factor not in known:
            raise UserError(f"unknown factor {factor!r}; {_remedy(factor, list(known))}")
        return known[factor]


def _named(part: str, factor: str, parts: Mapping[str, Mapping[str, str]]) -> str:
    clashes = sum(factor in labels for labels in parts.values()) > 1
    return f"{part}.{factor}" if clashes else factor


def _remedy(factor: str, known: list[str]) -> str:
    """What to do about a name that is no factor: some keys are there, and the same for all variants."""
    if factor in TrainingConfig.model_fields:
        return f"it is the same for all variants: set training.{factor}"
    if factor in Data.model_fields:
        return f"it is the same for all variants: set data.{factor}"
    if factor == "budget":
        return "it is the same for all variants: set budget; a variant of 'design: explicit' may have its own"
    if factor == "learning_rate":
        return "it is tuned for each variant: give the candidates as learning_rates"
    return suggestion(factor, known)


def _labels_of(data: Data) -> dict[str, str]:
    return {
        CORPUS: corpus_label(data.corpus),
        TREATMENT: treatment_label(data.corpus),
        TOKENIZER: tokenizer_label(data.tokenizer),
    }


def _with_texts(data: Data, levels: dict[str, Any]) -> Data:
    """``data`` with another corpus, treatment or tokenizer; raises ``UserError`` for what is none."""
    corpus = levels.get(CORPUS, data.corpus)
    corpus_config(corpus)
    if TREATMENT in levels:
        corpus = treated(corpus, levels[TREATMENT])
    tokenizer = data.tokenizer
    if TOKENIZER in levels:
        tokenizer = levels[TOKENIZER]
        asked = parse_tokenizer(tokenizer)
        if learned(asked):
            tokenizer = asked  # 512 and 5.12e2 are one level
    return data.model_copy(update={CORPUS: corpus, TOKENIZER: tokenizer})


def _context(level: Any) -> int:
    """A level of ``context``, read as the study's own key is."""
    try:
        context = read_whole(level)
    except ValueError as error:
        raise UserError(f"context: {error}") from None
    if not isinstance(context, int) or isinstance(context, bool) or not 1 < context <= LARGEST["context"]:
        raise UserError(
            f"context: {level!r} is no whole number from 2 to {LARGEST['context']:,}; give for example 256"
        )
    return context


def _label(value: Any) -> str:
    """A level of training as text: ``0.1``, ``0.9,0.95``, ``none``; of a registered level its own label."""
    label = getattr(value, "label", None)
    if isinstance(label, str):
        return label
    if isinstance(value, tuple):
        return ",".join(map(plain, value))
    return plain(value)


def _sized(model: ModelConfig, level: Any) -> ModelConfig:
    """``model`` with layers, width and heads of ``level``; its other widths, and its key heads, follow."""
    if not isinstance(level, Mapping):
        raise UserError(
            f"size: {level!r} is no size; give layers, width and heads, for example "
            "{layers: 4, width: 128, heads: 4}"
        )
    size = read_as(Size, dict(level), under=SIZE)
    if size.feedforward_width is not None:
        raise UserError("size.feedforward_width: it follows the width of each level; remove it")
    given = {key: getattr(size, key) for key in _SIZES if getattr(size, key) is not None}
    changes = {key: value for key, value in given.items() if value != getattr(model, key)}
    if "width" in changes:
        changes["feedforward_width"] = None
    if "heads" in changes:
        changes["key_value_heads"] = _shared_heads(model, changes["heads"])
    return model.with_levels(**changes)


def _shared_heads(model: ModelConfig, heads: int) -> int:
    """Key heads for ``heads`` query heads, as many queries to each as in ``model``."""
    each = model.heads // model.key_value_heads
    if heads % each:
        raise UserError(
            f"size: {each} heads share a key head, and {heads} heads are no multiple of that; give "
            f"{each * max(1, heads // each)} heads"
        )
    return heads // each
