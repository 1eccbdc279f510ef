"""The plan: every trial that a study means to run, and the manifest that is frozen before the first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any, cast

from workbench.analysis.deciding.looks import looks_between
from workbench.analysis.hyperband import brackets
from workbench.data.batches import TokenizedCorpus
from workbench.data.document_order import BY_DOCUMENT
from workbench.data.evaluation_text import EvaluationText
from workbench.data.task_batches import check_batches, judging_batches
from workbench.data.tasks.registry import is_generated
from workbench.errors import RecordError, UserError, suggestion
from workbench.files import set_aside
from workbench.numbers import plural
from workbench.records.hyperparameters import Hyperparameters
from workbench.records.index import load_study
from workbench.records.manifest import (
    MANIFEST,
    MANIFEST_REMEDY,
    MEMORY,
    SECONDS,
    Amendment,
    Budget,
    EvaluationSet,
    GainRung,
    Manifest,
    ManifestVariant,
    PlannedSeeds,
    PlannedTuning,
    RecordedGain,
    RecordedPart,
    RecordedStack,
    StartingRun,
    TextData,
    VariantBudget,
    read_manifest,
)
from workbench.records.margin import DEFAULT, margin_text
from workbench.records.provenance import git_state, versions
from workbench.records.run import FINISHED, Phase, RunConfig, RunRecord, State, config_hash, now, run_id
from workbench.records.step_times import StepTimes
from workbench.study.budget import Costs, bytes_per_token, trained_tokens
from workbench.study.candidates import Grids, own_grids
from workbench.study.comparable import evaluation_sources
from workbench.study.design import BASELINE, Measure, Variant, build_design
from workbench.study.devices import require_computable
from workbench.study.dismantling import Stack
from workbench.study.gain import gain_rungs
from workbench.study.kept_parts import changed_code
from workbench.study.ladder import manifest_of_ladder, names_by_rung, variants_of_ladder
from workbench.study.memory import require_room
from workbench.study.recipe import BATCH_SIZE, CONTEXT, CORPUS, TOKENIZER, TREATMENT
from workbench.study.repetition import ONCE
from workbench.study.schema import StudyFile
from workbench.study.search import Candidate, ResolvedSearch, at_rung
from workbench.study.start_from_run import Start
from workbench.study.texts import OneText, Texts
from workbench.study.tunable import check_tuning
from workbench.study.tuning import Tuning
from workbench.training.config import TrainingConfig

# What a manifest says beside the question: it may change without the results changing, or follows from it.
_UNHASHED = (
    "hash",
    "unique_tokens",
    "calibration",
    "amendments",
    "versions",
    "git_commit",
    "git_dirty",
    "command",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study file, its texts and its device, resolved into variants and trials.

    ``rungs`` are the plans of a ladder's rungs; its ``variants`` are those of all of them.
    ``evaluation`` are the texts that all variants are judged on, by name; empty where the windows of the
    validation split serve. A ``search`` has the baseline as its only variant, and a variant for each point.
    ``gain`` is the baseline at other budgets, by rising tokens: trained, and no variants. ``step_times`` are
    those by which equal seconds are planned.
    """

    study: StudyFile
    texts: Texts
    device: str
    variants: list[Variant]
    evaluation: dict[str, EvaluationText]
    start: Start | None = None
    search: ResolvedSearch | None = None
    stack: Stack | None = None
    gain: tuple[Variant, ...] = ()
    step_times: StepTimes | None = None
    rungs: tuple["Plan", ...] = ()

    @classmethod
    def build(
        cls,
        study: StudyFile,
        texts: Texts | TokenizedCorpus,
        device: str,
        start: Start | None = None,
        *,
        elsewhere: bool = False,
        measure: Measure | None = None,
    ) -> "Plan":
        """Resolve ``study``; raises ``UserError`` for a combination that cannot be.

        A corpus alone is that of all variants. ``elsewhere``: the device is not this machine's, and nobody
        knows yet how much memory it has. ``measure`` gives step times where a budget is seconds.
        """
        texts = OneText(texts) if isinstance(texts, TokenizedCorpus) else texts
        if study.rungs:
            rungs = tuple(
                cls.build(study.at_rung(number), texts, device, elsewhere=elsewhere)
                for number in range(len(study.rungs))
            )
            return cls(
                study=study,
                texts=texts,
                device=device,
                variants=variants_of_ladder(study, rungs),
                evaluation=rungs[0].evaluation,
                rungs=rungs,
            )
        own = texts.of(study.data)
        if start is not None:
            own.require_known(start.model.vocabulary)
        model = start.model if start else None
        variants, stack, costs = build_design(study, texts, model, device, measure)
        recipes = {variant.name: variant.recipe for variant in variants}
        evaluation = {
            name: texts.evaluation(name, source, study.training.evaluation_tokens)
            for name, source in evaluation_sources(study, recipes).items()
        }
        for variant in variants:
            corpus, context = texts.of(variant.recipe.data), variant.model.context
            # Of evaluation texts it is bytes, and any text of some length will do.
            check_batches(corpus, context, None if evaluation else study.training.evaluation_tokens)
            # Only a model that was there before its text may lack a token of it.
            if start is not None and corpus is not own:
                corpus.require_known(start.model.vocabulary)
            for text in evaluation.values():
                # Only a task's tokenizer, and a model that was there before, may lack what a text has.
                if start is not None or corpus.task is not None or is_generated(text.corpus):
                    batches = judging_batches(text, corpus.tokenizer, context, batch_size=1)
                    batches.require_known(variant.model.vocabulary)
            if not elsewhere:
                require_room(f"{study.name}: {variant.name}", variant.recipe, device)
        require_computable(study.name, study.training.execution, variants, device)
        own_grids(study, variants)  # refuses what leaves a variant without candidates
        if study.tuning is not None:
            check_tuning(study.tuning, variants)
        _refuse_idle_margins(study, variants)
        search = None if study.search is None else ResolvedSearch.of(study, variants[0], device)
        return cls(
            study=study,
            texts=texts,
            device=device,
            variants=variants,
            evaluation=evaluation,
            start=start,
            search=search,
            stack=stack,
            gain=tuple(gain_rungs(study, variants)),
            step_times=costs.step_times,
        )

    @property
    def corpus(self) -> TokenizedCorpus:
        """What the baseline is trained on."""
        return self.corpus_of(self.baseline)

    def corpus_of(self, variant: Variant) -> TokenizedCorpus:
        """What ``variant`` is trained on, in its tokens."""
        return self.texts.of(variant.recipe.data)

    @property
    def baseline(self) -> Variant:
        """The variant that every other is compared with."""
        return self.variants[0]

    @property
    def names(self) -> list[str]:
        """The variants' names, the baseline's first."""
        return [variant.name for variant in self.variants]

    @property
    def compared(self) -> list[list[str]]:
        """The names of variants that are compared with one another: all, or those of each rung."""
        if not self.rungs:
            return [self.names]
        return [list(named) for named in names_by_rung(self.rungs)]

    @property
    def training(self) -> TrainingConfig:
        """How the baseline is trained, with nothing left to ``auto``."""
        return self.baseline.recipe.training

    @property
    def steps(self) -> int:
        """Optimizer steps of a trial of the baseline."""
        return self.steps_of(self.baseline)

    def steps_of(self, variant: Variant) -> int:
        """Optimizer steps of a trial of ``variant``: with larger batches fewer."""
        return variant.recipe.training.steps(variant.model.context)

    @property
    def tokens(self) -> int:
        """Training tokens of one trial of the baseline; of every variant whose budget is tokens, too."""
        return self.tokens_of(self.baseline)

    def tokens_of(self, variant: Variant) -> int:
        """Training tokens of one trial of ``variant``."""
        return trained_tokens(variant.recipe)

    def passes_of(self, variant: Variant) -> float:
        """How often a trial of ``variant`` goes through its training text."""
        return self.tokens_of(variant) / len(self.corpus_of(variant).train)

    def epochs_of(self, variant: Variant) -> float:
        """How often it reads each of the text's unique tokens, on the average: with copies, more often."""
        return self.tokens_of(variant) / self.corpus_of(variant).unique_train_tokens

    @property
    def repetition_matters(self) -> bool:
        """Whether variants read texts of their own, or read theirs more than once."""
        if self.changed_factors & {TOKENIZER, CORPUS, TREATMENT}:
            return True
        return max(map(self.epochs_of, self.variants)) > ONCE

    def unspelled_by(self, variant: Variant) -> float:
        """The largest share of a text's bytes that the tokenizer of ``variant`` has no token for."""
        corpus, context = self.corpus_of(variant), variant.model.context
        judged = [judging_batches(text, corpus.tokenizer, context, 1) for text in self.evaluation.values()]
        return max(corpus.unspelled, *(batches.unspelled for batches in judged), 0.0)

    def budget_of(self, variant: Variant) -> VariantBudget:
        """What one trial of ``variant`` trains on, and how far that is from the baseline's."""
        unit = self.study.budget_unit(variant.name)
        budget = VariantBudget(
            tokens=self.tokens_of(variant),
            bytes=round(self.tokens_of(variant) * bytes_per_token(variant.recipe, self.texts)),
            flops=float(self.tokens_of(variant) * variant.model.flops_per_token()),
            mismatch=self._spent(variant, unit) / self._spent(self.baseline, unit) - 1,
        )
        known: dict[str, Any] = {}
        if unit != self.study.budget:
            known["unit"] = unit
        for key in (SECONDS, MEMORY):
            if key in self._units:
                known[key] = float(self._spent(variant, key))
        return budget.model_copy(update=known)

    @property
    def has_own_budgets(self) -> bool:
        """Whether variants differ in the tokens, or in the text, that they train on."""
        of_text = {TOKENIZER, CORPUS, TREATMENT, CONTEXT}
        return self._units != {"tokens"} or bool(self.changed_factors & of_text)

    @property
    def _units(self) -> set[str]:
        return {self.study.budget_unit(name) for name in self.names}

    @property
    def changed_factors(self) -> set[str]:
        """The factors in which some variant differs from the baseline."""
        return {factor for variant in self.variants for factor in variant.change}

    def _spent(self, variant: Variant, unit: str) -> float:
        """What a trial takes of a budget in ``unit``."""
        return Costs(self.texts, self.step_times).spent(unit, variant.name, variant.recipe)

    def config(self, variant: Variant) -> RunConfig:
        """All that a trial of ``variant`` needs, but its seed and hyperparameters."""
        recipe = variant.recipe
        corpus = self.corpus_of(variant)
        data: dict[str, Any] = {
            "corpus": recipe.data.corpus,
            "tokenizer": corpus.tokenizer.spec,
            "fingerprint": corpus.fingerprint,
        }
        if TREATMENT in self.changed_factors:
            data["order"] = BY_DOCUMENT  # which all treatments of a text share, see data.document_order
        if self.evaluation:
            data["evaluation"] = [
                {
                    "name": name,
                    "corpus": text.corpus,
                    "max_bytes": self.study.training.evaluation_tokens,
                    "fingerprint": text.fingerprint,
                }
                for name, text in self.evaluation.items()
            ]
        config: RunConfig = {
            "model": recipe.model.to_dict(),
            "data": data,
            "training": recipe.training.model_dump(mode="json") | {"device": self.device},
        }
        if self.start:
            config["start"] = self.start.spec
        return config

    def record(
        self, variant: Variant, phase: Phase, hyperparameters: Hyperparameters, seed: int
    ) -> RunRecord:
        """The queued record of one trial."""
        config = self.config(variant)
        return RunRecord(
            run_id=run_id(config, phase, hyperparameters, seed),
            study=self.study.name,
            variant=variant.name,
            phase=phase,
            seed=seed,
            hyperparameters=hyperparameters,
            config=config,
            progress={"step": 0, "steps": self.steps_of(variant)},
        )

    def grids(self) -> Grids:
        """What tuning chooses from for each variant, before grids grow; a single one is all trials'."""
        if self.rungs:
            named = zip(self.rungs, names_by_rung(self.rungs), strict=True)
            return {name: rung.grids()[own] for rung, names in named for name, own in names.items()}
        return own_grids(self.study, self.variants)

    def tune(self, tried: Grids) -> list[RunRecord]:
        """Every variant at each of its candidates and tuning seeds: as many of each for all compared."""
        return self.tune_points(tried, self.study.seeds.lists()[Phase.TUNE])

    def tune_points(self, points: Grids, seeds: Sequence[int]) -> list[RunRecord]:
        """Each variant's own ``points``, of which some may have more than others, at ``seeds``."""
        most = max(map(len, points.values()), default=0)
        return [
            self.record(variant, Phase.TUNE, points[variant.name][place], seed)
            for seed in seeds
            for place in range(most)
            for variant in self.variants
            if place < len(points.get(variant.name, []))
        ]

    def confirm(
        self, chosen: dict[str, Hyperparameters], pairs: dict[str, int] | None = None
    ) -> list[RunRecord]:
        """Every variant at what was chosen for it, on fresh seeds; by seed, so a stop leaves whole pairs.

        ``pairs`` says how many each variant gets, and the baseline then as many as the most of them.
        """
        seeds = self.study.seeds.lists()[Phase.CONFIRM]
        pairs = {variant.name: len(seeds) for variant in self.variants} if pairs is None else pairs
        most = max(pairs.values(), default=0)
        return [
            self.record(variant, Phase.CONFIRM, chosen[variant.name], seed)
            for place, seed in enumerate(seeds)
            for variant in self.variants
            if place < (most if variant is self.baseline else pairs.get(variant.name, 0))
        ]

    def tune_gain(self, points: Sequence[Hyperparameters]) -> list[RunRecord]:
        """The baseline at its smallest and its largest other budget, at each point and tuning seed."""
        return [
            self.record(rung, Phase.GAIN, point, seed)
            for seed in self.study.seeds.lists()[Phase.TUNE]
            for point in points
            for rung in (self.gain[-1], self.gain[0])  # the longest first: they end together then
        ]

    def measure_gain(self, chosen: dict[str, Hyperparameters]) -> list[RunRecord]:
        """The baseline at each of its other budgets, at what was chosen there, by seed; the longest first."""
        return [
            self.record(rung, Phase.GAIN, chosen[rung.name], seed)
            for seed in self.study.gain_seeds
            for rung in reversed(self.gain)
        ]

    def more_steps(self, trials: Sequence[int]) -> int:
        """Steps that so many trials at each other budget have more than as many of the baseline's own."""
        return sum(
            count * (self.steps_of(rung) - self.steps) for count, rung in zip(trials, self.gain, strict=True)
        )

    def search_trials(self, candidate: Candidate, tokens: int | None = None) -> list[RunRecord]:
        """A point of a search at each of its seeds; none for a point that is not to be trained.

        ``tokens`` are those of a rung of hyperband, with a schedule of their own; None is the whole budget.
        """
        if candidate.variant is None or candidate.recorded.infeasible is not None:
            return []
        variant, point = candidate.variant, candidate.recorded.point
        if tokens is not None:
            variant = at_rung(variant, tokens)
        return [
            self.record(variant, Phase.SEARCH, candidate.hyperparameters, seed).model_copy(
                update={"point": point}
            )
            for seed in self.study.seeds.lists()[Phase.TUNE]
        ]

    def trial_counts(self) -> dict[Phase, int]:
        """How many trials each phase runs, if no grid grows; until decided, those of the first look."""
        seeds, variants = self.study.seeds.lists(), len(self.variants)
        if self.search is not None:
            points = self.search.section.trials
            if self.search.rungs:
                points = sum(sum(one.sizes) for one in brackets(self.search.rungs, points))
            return {Phase.SEARCH: points * len(seeds[Phase.TUNE])}
        pairs = self.study.seeds.at_least if self.study.seeds.until_decided else len(seeds[Phase.CONFIRM])
        counts = {
            Phase.TUNE: self.study.tuning_trials * variants,
            Phase.CONFIRM: pairs * variants,
            Phase.GAIN: sum(self.study.trials_by_budget),
        }
        return {phase: counts[phase] for phase in self.study.phases}

    def manifest(self, command: str) -> Manifest:
        """The resolved study, with its hash: what ``study.yaml`` holds."""
        study = self.study
        if self.rungs:
            return signed(manifest_of_ladder(study, self.rungs), command=command)
        factors = self._factor_labels()
        training = self.training.model_dump(mode="json")
        budget = training | {"tokens": self.tokens, "steps": self.steps, "device": self.device}
        # Of what varies by design: a search has no margin, and no grid that could grow.
        by_design: dict[str, Any] = {
            "margin": study.margin,
            "grid_growth": study.grid_growth if study.tuning is None else 0,
        }
        if self.search:
            by_design = {"search": self.search.recorded(self.config(self.baseline))}
        promise = Manifest(
            **by_design,
            name=study.name,
            question=study.question,
            design=study.design,
            match=study.match,
            metric=study.metric,
            factors=factors,
            baseline=BASELINE,
            variants=[self._describe(variant, factors) for variant in self.variants],
            learning_rates=study.learning_rates,
            seeds=self._planned_seeds(),
            phases=study.phases,
            context=study.context,
            training=cast(Budget, budget),  # a TrainingConfig as a mapping is one
            data=cast(TextData, self.corpus.describe()),  # which is a mapping of any keys to mypy
        )
        # Where a study has nothing to say of these, its manifest has no key.
        if self.stack is not None:
            promise = promise.model_copy(update={"stack": self._recorded_stack(self.stack)})
        if self.gain:
            promise = promise.model_copy(update={"gain": self._recorded_gain()})
        if study.tuning is not None:
            promise = promise.model_copy(update={"tuning": self._planned_tuning(study.tuning)})
        if study.halving:
            promise = promise.model_copy(update={"halving": True})
        if study.seeds.until_decided:
            looks = looks_between(study.seeds.at_least, study.seeds.at_most)
            promise = promise.model_copy(update={"looks": list(looks)})
        if study.budget != "tokens":
            promise = promise.model_copy(update={"budget": study.budget})
        if self.step_times is not None:
            promise = promise.model_copy(update={"step_times": self.step_times})
        if self.repetition_matters:
            unique = {one.name: self.corpus_of(one).unique_train_tokens for one in self.variants}
            promise = promise.model_copy(update={"unique_tokens": unique})
        if self.evaluation:
            promise = promise.model_copy(update={"evaluation": self._evaluation_sets()})
        if self.start:
            start = StartingRun.model_validate(self.start.spec | {"reference": study.start})
            promise = promise.model_copy(update={"start": start})
        return signed(promise, command=command)

    def _recorded_stack(self, stack: Stack) -> RecordedStack:
        parts = [
            RecordedPart(factors=list(part.factors), out=part.out, into=part.into) for part in stack.parts
        ]
        return RecordedStack(origin=stack.origin, whole=stack.whole, parts=parts)

    def _recorded_gain(self) -> RecordedGain:
        rungs = [
            GainRung(name=rung.name, tokens=self.tokens_of(rung), config_hash=config_hash(self.config(rung)))
            for rung in self.gain
        ]
        return RecordedGain(rungs=rungs, seeds=self.study.gain_seeds)

    def _planned_seeds(self) -> PlannedSeeds:
        seeds = self.study.seeds.lists()
        if self.search:
            return PlannedSeeds(tune=seeds[Phase.TUNE])
        return PlannedSeeds(pilot=[], **seeds)

    def _planned_tuning(self, tuning: Tuning) -> PlannedTuning:
        planned = PlannedTuning(
            space=tuning.space, sampler=tuning.sampler, trials=tuning.points, pruner=tuning.pruner
        )
        fresh = self.study.fresh_seeds
        return planned.model_copy(update={"again": tuning.again, "fresh": fresh}) if fresh else planned

    def _evaluation_sets(self) -> list[EvaluationSet]:
        return [
            EvaluationSet(
                name=name,
                description=text.description,
                corpus=text.corpus,
                bytes=text.bytes,
                fingerprint=text.fingerprint,
            )
            for name, text in self.evaluation.items()
        ]

    def _factor_labels(self) -> dict[str, list[str]]:
        levels: dict[str, list[str]] = {}
        for variant in self.variants:
            for factor in variant.change:
                labels = levels.setdefault(factor, [self.baseline.levels[factor]])
                if variant.levels[factor] not in labels:
                    labels.append(variant.levels[factor])
        return levels

    def _describe(self, variant: Variant, factors: dict[str, list[str]]) -> ManifestVariant:
        named: Iterable[str] = factors
        if self.search:  # whose points are levels of these, though no variant is planned
            named = [factor for factor in self.search.space if factor in variant.levels]
        described = ManifestVariant(
            name=variant.name,
            levels={factor: variant.levels[factor] for factor in named},
            change={factor: list(pair) for factor, pair in variant.change.items()},
            parameters=variant.model.num_parameters(),
            nonembedding_parameters=variant.model.nonembedding_parameters(),
            flops_per_token=variant.model.flops_per_token(),
            mismatch=variant.mismatch,
            config_hash=config_hash(self.config(variant)),
            model=variant.model.to_dict(),
        )
        # Where a variant has nothing to say of these, its entry has no key.
        training = self._own_training(variant)
        if training:
            described = described.model_copy(update={"training": training})
        if self.corpus_of(variant) is not self.corpus:
            described = described.model_copy(update={"data": self.corpus_of(variant).describe()})
        if self.has_own_budgets:
            described = described.model_copy(update={"budget": self.budget_of(variant)})
        if self.start:
            described = described.model_copy(update={"start": self.start.transfer(variant.model)})
        return described

    def _own_training(self, variant: Variant) -> dict[str, Any]:
        """What of its training differs from the baseline's, as a manifest says it."""
        written = variant.recipe.training.model_dump(mode="json")
        labels = variant.recipe.labels()
        own = {
            factor: written.get(factor, labels[factor])  # a value that goes without saying is not written
            for factor in TrainingConfig.factors()
            if factor in variant.change
        }
        # What follows from a context or from an equal budget is no change, and is its own all the same.
        theirs = self.training.model_dump(mode="json")
        followed = {key: written[key] for key in ("tokens", BATCH_SIZE) if written[key] != theirs[key]}
        return own | followed if self.has_own_budgets else own


def _refuse_idle_margins(study: StudyFile, variants: list[Variant]) -> None:
    """A margin by factor that is no variant's would leave its reader with another than was meant."""
    changed = list(dict.fromkeys(factor for variant in variants for factor in variant.change))
    for factor in study.margin if isinstance(study.margin, dict) else ():
        if factor != DEFAULT and factor not in changed:
            raise UserError(
                f"{study.name}: margin.{factor}: no variant of this study changes it; "
                f"{suggestion(factor, changed)}"
            )


def signed(promise: Manifest, command: str | None = None) -> Manifest:
    """``promise`` with its hash, and what it was made by: versions, commit and, if given, the command."""
    facts = {"hash": manifest_hash(promise), "versions": versions(), **git_state()}
    if command is not None:
        facts["command"] = command
    return promise.model_copy(update=facts)


def manifest_hash(manifest: Manifest) -> str:
    """Hash of what a manifest promises: 12 hexadecimal digits."""
    promised = {key: value for key, value in manifest.to_dict().items() if key not in _UNHASHED}
    return sha256(dumps(promised, sort_keys=True).encode()).hexdigest()[:12]


def freeze(manifest: Manifest, directory: Path) -> list[str]:
    """Write the manifest into the study's directory; returns what its reader should know.

    A change after runs exist is allowed (more seeds, another variant) and never hidden: it is appended
    to ``amendments``, which every report shows; so is a part of the user's own whose code is another now. A
    damaged manifest is set aside: the study file, from which this one was made, is what counts. No study
    plans a pilot any more: of one that an earlier version of the workbench ran, what ended stays in the
    manifest, as a fact that the report shows.
    """
    before: Manifest | None = None
    notes: list[str] = []
    if (directory / MANIFEST).exists():
        try:
            before = read_manifest(directory)
        except RecordError as error:
            aside = set_aside(directory / MANIFEST)
            damaged = str(error).removesuffix(f"; {MANIFEST_REMEDY}")
            notes.append(
                f"{damaged}; it is made anew from the study file, without the amendments that it may have "
                f"listed, and the damaged file is kept as {aside.name}"
            )
    if before is not None:
        _refuse_another_search(before, manifest, directory)
        _refuse_other_rungs(before, manifest, directory)
    if before is not None and before.seeds.pilot:
        pilot = _ended_pilot(before, manifest, directory)
        manifest = signed(_with_pilot(manifest, pilot))
        before = _with_pilot(before, pilot)  # that the phase is gone is no change of the question
    amendments = [] if before is None else before.amendments
    changed = [] if before is None else _changed(before, manifest)
    if before is not None and changed:
        changed = [*(f"the code of {name}" for name in changed_code(before, manifest)), *changed]
        amendment: dict[str, Any] = {"time": now(), "from": before.hash, "to": manifest.hash, "keys": changed}
        is_judged = before.incomparable is None or (before.is_ladder and before.wrong_in_rungs is None)
        if "margin" in changed and is_judged:
            complete = _complete_runs(directory)
            amendment |= {"margin": [before.margin, manifest.margin], "complete": complete}
            notes.append(_margin_note(before, manifest, complete))
            changed = [key for key in changed if key != "margin"]
        amendments = [*amendments, Amendment.model_validate(amendment)]
        notes += [f"{key} differs from this study's earlier manifest; the report says so" for key in changed]
    if amendments:
        manifest = manifest.model_copy(update={"amendments": amendments})
    if before is not None and before.calibration:
        manifest = manifest.model_copy(update={"calibration": True})
    manifest.write(directory)
    return notes


def _ended_pilot(before: Manifest, manifest: Manifest, directory: Path) -> list[int]:
    """The pilot seeds of the manifest ``before`` whose runs ended, and are of ``manifest``'s baseline."""
    runs = load_study(directory).runs
    is_ended = (runs["phase"] == Phase.PILOT) & runs["state"].isin([str(state) for state in FINISHED])
    ended = set(runs.loc[is_ended & runs["config_hash"].isin(manifest.planned_hashes), "seed"])
    return [seed for seed in before.seeds.pilot if seed in ended]


def _with_pilot(manifest: Manifest, seeds: list[int]) -> Manifest:
    """``manifest`` with these pilot seeds, or without the phase where there are none."""
    phases = [phase for phase in manifest.phases or [] if phase is not Phase.PILOT]
    return manifest.model_copy(
        update={
            "seeds": manifest.seeds.model_copy(update={"pilot": seeds}),
            "phases": [Phase.PILOT, *phases] if seeds else phases,
        }
    )


def _refuse_another_search(before: Manifest, manifest: Manifest, directory: Path) -> None:
    """A search goes on with its own points: those of another would be told to its sampler as if of its own.

    More trials are the same search. Raises ``UserError`` where anything was trained by another one.
    """
    ours, theirs = manifest.search, before.search
    same = (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        same = ours.identity == theirs.identity
    if same or not len(load_study(directory).runs):
        return
    changed = [key for key in _changed(before, manifest) if key != "hash"]
    raise UserError(
        f"{manifest.name}: {directory} holds the runs of another search or study, which differs in "
        f"{', '.join(changed)}; give this one a name of its own ('name: …'), or delete the folder"
    )


def _refuse_other_rungs(before: Manifest, manifest: Manifest, directory: Path) -> None:
    """A run is known by its variant's name, and those of a ladder say which rung it is, counted from below.

    Raises ``UserError`` where a rung before others, or around a study that was none, would rename what ran.
    """
    if not (before.is_ladder or manifest.is_ladder) or not len(load_study(directory).runs):
        return
    names = {variant.config_hash: variant.name for variant in before.variants if variant.config_hash}
    for variant in manifest.variants:
        known = names.get(str(variant.config_hash), variant.name)
        if known != variant.name:
            raise UserError(
                f"{manifest.name}: rungs: what ran as {known!r} in {directory} would be {variant.name!r}; "
                "add rungs behind the others, or give this study a name of its own ('name: …')"
            )


def _complete_runs(directory: Path) -> int:
    runs = load_study(directory).runs
    return int((runs["state"] == State.COMPLETE).sum())


def _margin_note(before: Manifest, manifest: Manifest, complete: int) -> str:
    old, new = margin_text(before.margin), margin_text(manifest.margin)
    if not complete:
        return f"margin: {new} in place of {old}; no run was complete yet"
    return (
        f"margin: {new} in place of {old}, changed when {plural(complete, 'run')} had a result; the report "
        "gives the verdict of every row by both"
    )


def _changed(before: Manifest, manifest: Manifest) -> list[str]:
    """Keys of what is promised that differ from the earlier manifest's."""
    earlier = before.to_dict()
    promised = {key: value for key, value in manifest.to_dict().items() if key not in _UNHASHED}
    return [key for key, value in promised.items() if value != earlier.get(key)]
