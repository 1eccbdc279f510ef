"""What a study may do but should know of: the warnings of ``workbench check``. What cannot be is an error."""

from collections.abc import Iterator

from workbench.data.corpora import corpus_config
from workbench.data.sources.standard_library import StandardLibrary
from workbench.numbers import percent, plural
from workbench.records.manifest import MEMORY, POOL, Manifest
from workbench.study.budget import bytes_per_token
from workbench.study.design import Variant
from workbench.study.plan import Plan
from workbench.study.recipe import CONTEXT, CORPUS, SIZE, TOKENIZER, TREATMENT
from workbench.study.repetition import MANY_EPOCHS, worth
from workbench.training.config import TrainingConfig
from workbench.training.optimizers import optimizer_config
from workbench.training.schedules import schedule_config

FEW_SEEDS = 3
SIZE_TOLERANCE = 0.01
BUDGET_TOLERANCE = 0.01
ROUNDING = 1.1  # times the tokens that were asked for
# What a change of one factor changes beside it, whatever its levels are.
_TWO_THINGS = {
    "tied_embeddings": "with the table that the head shares or has of its own, the number of all parameters "
    "changes too, which no matching pays for",
    "batch_size": "at equal tokens the number of steps changes too, and no two sizes see the same batches",
    "dropout": "it acts in training alone: training losses do not compare, validation losses do",
    "precision": "speed and memory change too, and every value by its rounding: compare seconds as well",
    "optimizer": "learning rates mean something else to each: give every optimizer a list under "
    "learning_rates, or see that each best rate is interior",
    SIZE: "FLOPs per token change too: at equal tokens the larger costs more; see the row at equal FLOPs",
    CONTEXT: "FLOPs per token change with the length of attention; a step has as many tokens in fewer or "
    "more windows, and each is scored from its beginning, so that longer ones see more before a target",
}


def study_warnings(plan: Plan, manifest: Manifest) -> list[str]:
    """One line each, naming the key or the variant and what to do."""
    sizes = [text for variant in plan.variants for text in _size(plan, variant)]
    positions = [*_positions(plan), *_position_tables(plan)]
    unspelled = max(map(plan.unspelled_by, plan.variants))
    text = [unspelled_note(unspelled)] if unspelled else []
    return [
        *(() if manifest.is_search else _seeds(manifest)),
        *_budget(plan),
        *_mismatch(plan),
        *_repetition(plan),
        *_training(plan),
        *text,
        *sizes,
        *positions,
        *_two_things(plan),
        *_other_tokens(plan),
        *_twins(plan),
    ]


def what_is_paired(plan: Plan) -> str | None:
    """What variants of one seed have in common where a factor takes some of it away; None where none does."""
    changed = plan.changed_factors
    otherwise = [factor for factor in (CORPUS, TREATMENT, TOKENIZER, CONTEXT) if factor in changed]
    apart = []
    order = "the order of the training text"
    if otherwise == [TREATMENT]:
        apart.append("batches (treatment)")
        order = "the order of training documents that both have"
    elif otherwise:
        apart.append(f"batches, nor the order of the training text ({', '.join(otherwise)})")
    elif "batch_size" in changed or MEMORY in map(plan.study.budget_unit, plan.names):
        apart.append("batches (batch_size cuts them otherwise)")
    if SIZE in changed:
        apart.append("initial values of other shapes (size)")
    if TOKENIZER in changed:
        apart.append("the token table's initial values (tokenizer)")
    if not apart:
        return None
    judged = "the text that all are judged on" if plan.evaluation else "validation tokens"
    shared = f"initial values by name, {judged}"
    shared += f" and {order}" if otherwise in ([], [TREATMENT]) else ""
    return f"{shared}; not {', nor '.join(apart)}"


def notes_on_texts(plan: Plan) -> list[str]:
    """What is known of a corpus that comes with the workbench, and is no mistake of the study's."""
    configs = [corpus_config(variant.recipe.data.corpus) for variant in plan.variants]
    if any(isinstance(config, StandardLibrary) and config.generated_files == "keep" for config in configs):
        return [
            "data.corpus: an eighth of python-stdlib are generated tables that resemble each other, on both "
            "sides of the split; {name: python-stdlib, generated_files: drop} leaves them out"
        ]
    return []


def unspelled_note(share: float) -> str:
    """What it means that a tokenizer has no tokens for this share of a text's bytes."""
    return (
        f"data.tokenizer: cannot spell {100 * share:.2g} % of the text's bytes: an unknown token stands for "
        "them, or none, so that losses leave out what they say; take a tokenizer that has tokens for them"
    )


def _seeds(manifest: Manifest) -> Iterator[str]:
    confirm = len(manifest.seeds.confirm)
    if confirm < FEW_SEEDS:
        seeds = plural(confirm, "seed")
        yield f"seeds.confirm: {seeds} can rank variants, not support a verdict; use 3 or more"
    tune = len(manifest.seeds.tune)
    is_rerun = manifest.tuning is not None and manifest.tuning.again  # fresh seeds choose
    if manifest.rates_tried > 1 and tune < FEW_SEEDS and not is_rerun:
        seeds = plural(tune, "seed")
        yield (
            f"seeds.tune: {seeds} may choose a learning rate by luck, which no interval shows; use 3 or more"
        )


def _budget(plan: Plan) -> Iterator[str]:
    asked, evaluations = plan.study.training.tokens, plan.training.evaluations
    sizes = sorted({variant.recipe.training.batch_size for variant in plan.variants})
    if plan.tokens <= ROUNDING * max(asked, sizes[-1] * plan.study.window):
        return
    if len(sizes) > 1:
        yield (
            f"batch_size: {plan.tokens:,} tokens are {percent(plan.tokens / asked - 1)} more than asked, for "
            f"{evaluations} evaluations of batches of {', '.join(map(str, sizes))} to fall at equal tokens; "
            "take sizes of which each divides the next, or fewer training.evaluations"
        )
    else:
        yield (
            f"training.evaluations: {plan.tokens:,} tokens are {percent(plan.tokens / asked - 1)} more than "
            f"asked, for {evaluations} evaluations to fall at equal distances; take a number that "
            "divides the steps"
        )


def _mismatch(plan: Plan) -> Iterator[str]:
    """What whole steps left of an equal budget."""
    for variant in plan.variants if plan.has_own_budgets else ():
        mismatch = plan.budget_of(variant).mismatch
        if abs(mismatch) > BUDGET_TOLERANCE:
            unit = plan.study.budget_unit(variant.name)
            if unit == MEMORY:
                yield (
                    f"{variant.name}: {percent(mismatch, 1, sign=True)} bytes in memory against the "
                    "baseline's, for whole windows in a batch; give a larger training.batch_size"
                )
                continue
            what = "passes" if unit == POOL else unit
            yield (
                f"{variant.name}: {percent(mismatch, 1, sign=True)} {what} against the "
                "baseline's, for whole steps between evaluations; give more training.tokens or fewer "
                "training.evaluations"
            )


def _repetition(plan: Plan) -> Iterator[str]:
    """Text that is read too often, once: of the variant that reads its own most often, where they differ."""
    epochs = {variant.name: plan.epochs_of(variant) for variant in plan.variants}
    furthest = max(plan.variants, key=lambda variant: epochs[variant.name])
    most = epochs[furthest.name]
    if most <= MANY_EPOCHS:
        return
    named = "" if most == min(epochs.values()) else f"{furthest.name}: "
    corpus = plan.corpus_of(furthest)
    unique = corpus.unique_train_tokens
    text = (
        f"{named}training.tokens: {most:.1f} epochs over {unique:,} unique tokens; beyond {MANY_EPOCHS} "
        "repetition matters"
    )
    if corpus.task is not None:
        yield f"{text}: give the task more sequences or fewer tokens"
        return
    fresh = worth(unique, most)
    yield (
        f"{text}: by the fit of Muennighoff et al. 2023 (arXiv 2305.16264) they are worth about {fresh:,.0f} "
        f"fresh tokens, {percent(fresh / plan.tokens_of(furthest))} of what is trained on; give more text or "
        "fewer tokens"
    )


def _training(plan: Plan) -> Iterator[str]:
    """What optimizers and schedules do not read, and how their trials are trained, each said once."""
    named: dict[str, list[str]] = {}
    for variant in plan.variants:
        for text in _unread(variant.recipe.training):
            named.setdefault(text, []).append(variant.name)
    for text, names in named.items():
        yield text if len(names) == len(plan.variants) else f"{', '.join(names)}: {text}"


def _unread(training: TrainingConfig) -> Iterator[str]:
    optimizer = optimizer_config(training)
    schedule = schedule_config(training)
    heard = (*optimizer.component.reads, *schedule.component.reads)
    for key, config in (("betas", optimizer), ("epsilon", optimizer), ("final_rate", schedule)):
        if key not in heard and getattr(training, key) != TrainingConfig.model_fields[key].default:
            yield f"training.{key}: {config.label} does not read it; see 'workbench list components'"
    if optimizer.component.replicated is None:
        yield (
            f"training.optimizer: {optimizer.label} has no form for populations: trials train one by one; "
            "to train them together, name a ReplicatedOptimizer as 'replicated' in its class"
        )


def _size(plan: Plan, variant: Variant) -> Iterator[str]:
    match = plan.study.match
    if SIZE in variant.change and variant.mismatch is None:
        return  # what is asked about
    if match == "none":
        ours, theirs = variant.model.num_parameters(), plan.baseline.model.num_parameters()
        if abs(ours / theirs - 1) > SIZE_TOLERANCE:
            remedy = "it is part of the difference"
            if plan.start is None:  # matching would leave none of the trained feedforward weights in place
                remedy = "use 'match: parameters' unless the size is part of the question"
            excess = percent(ours / theirs - 1, 1, sign=True)
            text = f"{excess} parameters against the baseline, and match is none"
            yield f"{variant.name}: {text}; {remedy}"
    elif abs(variant.mismatch or 0) > SIZE_TOLERANCE:
        excess = percent(variant.mismatch, 1, sign=True)
        yield f"{variant.name}: {excess} {match} against the baseline after matching"


def _positions(plan: Plan) -> Iterator[str]:
    """What the position codes say of their models, once for all variants that it is true of."""
    named: dict[str, list[str]] = {}
    for variant in plan.variants:
        for text in variant.model.positions.warnings(variant.model):
            named.setdefault(text, []).append(variant.name)
    for text, names in named.items():
        yield f"{'all variants' if len(names) == len(plan.variants) > 1 else ', '.join(names)}: {text}"


def _position_tables(plan: Plan) -> Iterator[str]:
    """Learned positions that a study asks to run past the context of the run that it starts from."""
    if plan.start is None:
        return
    trained = plan.start.model
    for variant in plan.variants:
        model = variant.model
        learned = model.positions.name == trained.positions.name == "learned"
        if learned and model.context > trained.context:
            yield (
                f"{variant.name}: the trained table of positions ends at {trained.context}, before the "
                f"context {model.context}, and starts afresh; use a context of {trained.context} or less"
            )


def _two_things(plan: Plan) -> Iterator[str]:
    """Factors that change more than their name says, once for all variants that have another level."""
    for factor, text in _TWO_THINGS.items():
        if factor == "optimizer" and isinstance(plan.study.learning_rates, dict):
            continue
        changed = [variant.name for variant in plan.variants if factor in variant.change]
        at_equal_flops = [name for name in changed if plan.study.budget_unit(name) == "flops"]
        names = [name for name in changed if factor != SIZE or name not in at_equal_flops]
        if names:
            yield f"{', '.join(names)}: {factor}: {text}"


def _other_tokens(plan: Plan) -> Iterator[str]:
    """What a tokenizer changes beside the tokens, in numbers."""
    baseline = plan.baseline
    own = bytes_per_token(baseline.recipe, plan.texts)
    for variant in plan.variants:
        if TOKENIZER not in variant.change:
            continue
        theirs = bytes_per_token(variant.recipe, plan.texts)
        more = variant.model.num_parameters() - baseline.model.num_parameters()
        yield (
            f"{variant.name}: tokenizer: a token stands for {theirs:.2f} bytes (the baseline's for "
            f"{own:.2f}), so that a window and a batch hold {theirs / own:.2f} times as much text, and table "
            f"and head of {variant.model.vocabulary:,} tokens change the parameters by {more:+,}"
        )


def _twins(plan: Plan) -> Iterator[str]:
    """Variants that are spelled differently and compute the same: their difference is noise by design."""
    first: dict[str, str] = {}
    for variant in plan.variants:
        twin = first.setdefault(variant.recipe.behaviour(), variant.name)
        if twin != variant.name:
            yield f"{variant.name}: computes exactly what {twin} does ({variant.summary}); remove it"
