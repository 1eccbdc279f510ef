"""The plan: every trial that a study means to run, and the manifest that is frozen before the first."""

from dataclasses import dataclass
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

from workbench.data.batches import TokenizedCorpus, check_windows
from workbench.errors import RecordError, UserError
from workbench.files import read_yaml, set_aside, write_yaml
from workbench.records.index import MANIFEST
from workbench.records.provenance import git_state, versions
from workbench.records.run import RunRecord, config_hash, now, run_id
from workbench.study.design import BASELINE, Variant, build_variants
from workbench.study.kept_parts import changed_code
from workbench.study.memory import require_room
from workbench.study.schema import StudyFile
from workbench.study.start_from_run import Start

# What a manifest says beside the question: it may change without the results changing.
_UNHASHED = ("hash", "amendments", "versions", "git_commit", "git_dirty", "command")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study file, its data and its device, resolved into variants and trials."""

    study: StudyFile
    corpus: TokenizedCorpus
    device: str
    variants: list[Variant]
    start: Start | None = None

    @classmethod
    def build(
        cls, study: StudyFile, corpus: TokenizedCorpus, device: str, start: Start | None = None
    ) -> "Plan":
        """Resolve ``study``; raises ``UserError`` for a combination that cannot be."""
        check_windows(corpus, study.context, study.training.evaluation_tokens)
        if start is not None:
            corpus.require_known(start.model.vocabulary)
        problem = study.training.budget_problem(study.context)
        if problem:
            raise UserError(f"{study.name}: {problem}")
        study = study.model_copy(update={"training": study.training.fitted(study.context)})
        variants = build_variants(study, corpus.vocabulary, start.model if start else None)
        training = study.training.resolve(device)
        for variant in variants:
            require_room(f"{study.name}: {variant.name}", variant.model, training, device)
        return cls(study=study, corpus=corpus, device=device, variants=variants, start=start)

    @property
    def baseline(self) -> Variant:
        """The variant that every other is compared with."""
        return self.variants[0]

    @property
    def steps(self) -> int:
        """Optimizer steps of one trial."""
        return self.study.training.steps(self.study.context)

    @property
    def tokens(self) -> int:
        """Training tokens of one trial."""
        return self.steps * self.study.training.batch_size * self.study.context

    def config(self, variant: Variant) -> dict[str, Any]:
        """All that a trial of ``variant`` needs, but its seed and learning rate."""
        training = self.study.training.resolve(self.device)
        own = {"tokenizer": self.corpus.tokenizer.spec, "fingerprint": self.corpus.fingerprint}
        data = self.study.data.model_dump() | own
        return {
            "model": variant.model.to_dict(),
            "data": data,
            "training": training.model_dump(mode="json") | {"device": self.device},
            **({"start": self.start.spec} if self.start else {}),
        }

    def record(self, variant: Variant, phase: str, learning_rate: float, seed: int) -> RunRecord:
        """The queued record of one trial."""
        config = self.config(variant)
        return RunRecord(
            run_id=run_id(config, phase, learning_rate, seed),
            study=self.study.name,
            variant=variant.name,
            phase=phase,
            seed=seed,
            learning_rate=learning_rate,
            config=config,
            progress={"step": 0, "steps": self.steps},
        )

    def pilot(self) -> list[RunRecord]:
        """The baseline alone, at the middle candidate rate: how noisy is a result?"""
        rate = self.study.learning_rates[len(self.study.learning_rates) // 2]
        return [self.record(self.baseline, "pilot", rate, seed) for seed in self.study.seeds.lists()["pilot"]]

    def tune(self, learning_rates: list[float]) -> list[RunRecord]:
        """Every variant at every candidate rate and tuning seed: equal budgets by construction."""
        return [
            self.record(variant, "tune", rate, seed)
            for seed in self.study.seeds.lists()["tune"]
            for rate in learning_rates
            for variant in self.variants
        ]

    def confirm(self, chosen: dict[str, float]) -> list[RunRecord]:
        """Every variant at its chosen rate on fresh seeds, by seed, so that a stop leaves whole pairs."""
        return [
            self.record(variant, "confirm", chosen[variant.name], seed)
            for seed in self.study.seeds.lists()["confirm"]
            for variant in self.variants
        ]

    def trial_counts(self) -> dict[str, int]:
        """How many trials each phase runs, if no grid grows."""
        seeds, variants = self.study.seeds.lists(), len(self.variants)
        counts = {
            "pilot": len(seeds["pilot"]),
            "tune": len(seeds["tune"]) * len(self.study.learning_rates) * variants,
            "confirm": len(seeds["confirm"]) * variants,
        }
        return {phase: counts[phase] for phase in self.study.phases}

    def manifest(self, command: str) -> dict[str, Any]:
        """The resolved study, with its hash: what ``study.yaml`` holds."""
        study = self.study.model_dump(mode="json")
        factors = self._factor_labels()
        training = self.study.training.resolve(self.device).model_dump(mode="json")
        body = {
            **{key: study[key] for key in ("name", "question", "design", "match", "metric", "margin")},
            "factors": factors,
            "baseline": BASELINE,
            "variants": [self._describe(variant, factors) for variant in self.variants],
            "learning_rates": study["learning_rates"],
            "grid_growth": study["grid_growth"],
            **({"halving": True} if self.study.halving else {}),
            "seeds": self.study.seeds.lists(),
            "phases": self.study.phases,
            "context": study["context"],
            "training": training | {"tokens": self.tokens, "steps": self.steps, "device": self.device},
            "data": self.corpus.describe(),
            **({"start": self.start.spec | {"reference": study["start"]}} if self.start else {}),
        }
        return body | {"hash": manifest_hash(body), "versions": versions(), **git_state(), "command": command}

    def _factor_labels(self) -> dict[str, list[str]]:
        levels: dict[str, list[str]] = {}
        for variant in self.variants:
            for factor in variant.change:
                labels = levels.setdefault(factor, [self.baseline.levels[factor]])
                if variant.levels[factor] not in labels:
                    labels.append(variant.levels[factor])
        return levels

    def _describe(self, variant: Variant, factors: dict[str, list[str]]) -> dict[str, Any]:
        return {
            "name": variant.name,
            "levels": {factor: variant.levels[factor] for factor in factors},
            "change": {factor: list(pair) for factor, pair in variant.change.items()},
            "parameters": variant.model.num_parameters(),
            "nonembedding_parameters": variant.model.nonembedding_parameters(),
            "flops_per_token": variant.model.flops_per_token(),
            "mismatch": variant.mismatch,
            **({"start": self.start.transfer(variant.model)} if self.start else {}),
            "config_hash": config_hash(self.config(variant)),
            "model": variant.model.to_dict(),
        }


def manifest_hash(manifest: dict[str, Any]) -> str:
    """Hash of what a manifest promises: 12 hexadecimal digits."""
    promised = {key: value for key, value in manifest.items() if key not in _UNHASHED}
    return sha256(dumps(promised, sort_keys=True).encode()).hexdigest()[:12]


def freeze(manifest: dict[str, Any], directory: Path) -> list[str]:
    """Write the manifest into the study's directory; returns what its reader should be told.

    A change after runs exist is allowed (more seeds, another variant) and never hidden: it is appended
    to ``amendments``, which every report shows; so is a part of the user's own whose code is another now. A
    damaged manifest is set aside: the study file, from which this one was made, is what counts.
    """
    path = directory / MANIFEST
    before: dict[str, Any] = {}
    notes: list[str] = []
    if path.exists():
        try:
            before = read_yaml(path)
        except RecordError as error:
            aside = set_aside(path)
            notes.append(
                f"{error}; it is made anew from the study file, without the amendments that it may have "
                f"listed, and the damaged file is kept as {aside.name}"
            )
    amendments = before.get("amendments", [])
    changed = [key for key in manifest if key not in _UNHASHED and manifest[key] != before.get(key)]
    if before and changed:
        changed = [*(f"the code of {name}" for name in changed_code(before, manifest)), *changed]
        amendments.append(
            {"time": now(), "from": before.get("hash"), "to": manifest["hash"], "keys": changed}
        )
        notes += [f"{key} differs from this study's earlier manifest; the report says so" for key in changed]
    write_yaml(path, manifest | ({"amendments": amendments} if amendments else {}))
    return notes
