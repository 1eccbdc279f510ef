"""Studies whose variants differ in tokenizer, corpus, context and tokens, written as real records.

Losses are invented; manifest and records have all that such a study writes: texts and budgets of each
variant, named evaluation sets, metrics in bits per byte.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.files import write_yaml
from workbench.model import preset
from workbench.records.index import load_study
from workbench.records.run import RunRecord, State, config_hash, run_id, write_record

RATES = [0.003, 0.006, 0.012]
SEEDS = {"pilot": [], "tune": [101], "confirm": [201, 202, 203]}
STEPS, EVALUATIONS = 240, 8
NOISE = {201: 0.01, 202: -0.01, 203: 0.0}  # a seed's luck, which all variants share
OWN = {201: 0.001, 202: 0.0, 203: -0.001}  # and what is left when it is taken out


def digest(text: str) -> str:
    """What stands for the SHA-256 of a text or a tokenizer."""
    return sha256(text.encode()).hexdigest()


def text_data(corpus, tokenizer, train_tokens=1_000_000) -> dict:
    """What a run is trained on, as manifests and records say it."""
    shown = tokenizer
    if isinstance(tokenizer, dict):
        shown = f"BPE of {tokenizer['bpe']:,} tokens" if "bpe" in tokenizer else tokenizer["file"]
    return {
        "description": f"{corpus if isinstance(corpus, str) else Path(corpus['path']).name}, {shown}",
        "corpus": corpus,
        "tokenizer": tokenizer,
        "fingerprint": digest(str(corpus)),
        "train_tokens": train_tokens,
    }


def bpe(size: int) -> dict:
    """A learned tokenizer, as a record names it."""
    return {"bpe": size, "sha256": digest(f"bpe {size}")}


@dataclass(frozen=True)
class Recipe:
    """A variant: what it changes, what it is trained on, and its final bits per byte on each set."""

    change: dict[str, list[str]] = field(default_factory=dict)
    tokenizer: str | dict = "bytes"
    corpus: str | dict = "python-stdlib"
    vocabulary: int = 257
    context: int = 32
    layers: int = 2
    bytes_per_token: float = 1.0
    tokens: int = 245_760
    train_tokens: int = 1_000_000
    flops_per_token: int = 100_000
    unit: str | None = None  # what is equal to the baseline's, where it is not what the study holds equal
    bits: dict[str, float] = field(default_factory=lambda: {"in_domain": 2.5, "prose": 3.5})
    training: dict = field(default_factory=dict)


TOKENIZERS = {
    "baseline": Recipe(),
    "tokenizer=bpe-512": Recipe(
        {"tokenizer": ["bytes", "bpe-512"]},
        tokenizer=bpe(512),
        vocabulary=512,
        bytes_per_token=2.0,
        tokens=215_040,
        flops_per_token=115_000,
        bits={"in_domain": 2.3, "prose": 3.7},
    ),
    "tokenizer=bpe-2048": Recipe(
        {"tokenizer": ["bytes", "bpe-2048"]},
        tokenizer=bpe(2048),
        vocabulary=2048,
        bytes_per_token=3.0,
        tokens=122_880,
        flops_per_token=200_000,
        bits={"in_domain": 2.51, "prose": 3.52},
    ),
}


class RecipeStudy:
    """Writes the manifest of ``recipes`` and, when asked, their runs. ``unit`` is what is held equal."""

    def __init__(self, path, recipes=TOKENIZERS, unit="flops", sets=("in_domain", "prose"), **changes):
        self.path, self.recipes, self.unit, self.sets = path, recipes, unit, sets
        self.name = changes.get("name", "recipes")
        self.manifest = self._manifest() | changes
        write_yaml(path / "study.yaml", self.manifest)

    def config(self, name) -> dict:
        """A run's configuration."""
        recipe = self.recipes[name]
        sizes = {"vocabulary": recipe.vocabulary, "context": recipe.context}
        sizes |= {"width": 16, "layers": recipe.layers, "heads": 2, "feedforward_width": 16}
        data = text_data(recipe.corpus, recipe.tokenizer)
        data = {key: data[key] for key in ("corpus", "tokenizer", "fingerprint")}
        data |= {"evaluation": self._evaluation()} if self.sets else {}
        training = {"tokens": recipe.tokens, "batch_size": 32, "device": "cpu", "threads": 1}
        return {
            "model": preset("llama", **sizes).to_dict(),
            "data": data,
            "training": training | recipe.training,
        }

    def _evaluation(self) -> list[dict]:
        return [
            {
                "name": name,
                "corpus": "python-stdlib" if name == "in_domain" else {"path": name},
                "max_bytes": 65_536,
                "fingerprint": digest(name),
            }
            for name in self.sets
        ]

    def _manifest(self) -> dict:
        first = next(iter(self.recipes))
        levels = {factor: pair[0] for one in self.recipes.values() for factor, pair in one.change.items()}
        study_text = _text(self.recipes[first])
        variants = []
        for name, recipe in self.recipes.items():
            own = _text(recipe)
            variants.append(
                {
                    "name": name,
                    "levels": levels | {factor: pair[1] for factor, pair in recipe.change.items()},
                    "change": recipe.change,
                    "parameters": 10_000 + 32 * recipe.vocabulary,
                    "nonembedding_parameters": 10_000,
                    "flops_per_token": recipe.flops_per_token,
                    "mismatch": 0.0,
                    "config_hash": config_hash(self.config(name)),
                    "model": self.config(name)["model"],
                    "training": {"tokens": recipe.tokens} | recipe.training,
                    "budget": self._budget(recipe, self.recipes[first]),
                }
                | ({"data": own} if own != study_text else {})
            )
        base = self.recipes[first]
        return {
            "name": self.name,
            "question": "What does the text that is read change?",
            "design": "one_at_a_time",
            "match": "parameters",
            "metric": "validation/bits_per_byte",
            "margin": 0.02,
            "factors": {
                factor: [
                    old,
                    *(one.change[factor][1] for one in self.recipes.values() if factor in one.change),
                ]
                for factor, old in levels.items()
            },
            "baseline": first,
            "variants": variants,
            "learning_rates": RATES,
            "seeds": SEEDS,
            "phases": ["tune", "confirm"],
            "context": base.context,
            "budget": self.unit,
            "training": {"tokens": base.tokens, "batch_size": 32, "steps": STEPS, "device": "cpu"},
            "data": study_text,
            "hash": "3f2a00112233",
        } | ({"evaluation": [self._named_set(one) for one in self._evaluation()]} if self.sets else {})

    def _named_set(self, one) -> dict:
        return {
            "name": one["name"],
            "description": f"the text {one['name']}, validation split",
            "corpus": one["corpus"],
            "bytes": 65_530,
            "fingerprint": one["fingerprint"],
        }

    def _budget(self, recipe, base) -> dict:
        ours, theirs = (_amounts(one) | {"pool": one.tokens / one.train_tokens} for one in (recipe, base))
        unit = recipe.unit or self.unit
        own = {"unit": unit} if recipe.unit else {}
        return _amounts(recipe) | {"mismatch": ours[unit] / theirs[unit] - 1} | own

    def run(self, name, seed, phase="confirm", *, rate=0.006, shift=0.0, tokens=None, state=State.COMPLETE):
        """One run; ``shift`` is added to its bits per byte, ``tokens`` replaces what it trained on."""
        recipe, config = self.recipes[name], self.config(name)
        luck = NOISE.get(seed, 0.0) + OWN.get(seed, 0.0) * list(self.recipes).index(name)
        bits = {one: recipe.bits[one] + luck + shift for one in self.sets or ("in_domain",)}
        trained = recipe.tokens if tokens is None else tokens
        summary = _metrics(bits, recipe.bytes_per_token)
        record = RunRecord(
            run_id=run_id(config, phase, {"learning_rate": rate}, seed),
            study=self.name,
            variant=name,
            phase=phase,
            seed=seed,
            hyperparameters={"learning_rate": rate},
            config=config,
            state=state,
            error=None if state is State.COMPLETE else "loss is not finite",
            summary=summary if state is State.COMPLETE else {},
            cost={
                "tokens": trained if state is State.COMPLETE else trained // 5,
                "flops": float(trained * recipe.flops_per_token),
                "seconds": 10.0,
            },
            progress={"step": STEPS, "steps": STEPS},
            provenance={"hardware": {"device": "cpu", "processor": "Testium 9", "cores": 2}},
        )
        return write_record(self.path, record, _curve(recipe, summary) if state is State.COMPLETE else None)

    def complete(self):
        """Every planned run: tuning is a parabola around 0.006."""
        for name in self.recipes:
            for rate in RATES:
                self.run(name, 101, "tune", rate=rate, shift=float(0.1 * np.log2(rate / 0.006) ** 2))
            for seed in SEEDS["confirm"]:
                self.run(name, seed)
        return self

    def load(self):
        """The study's records."""
        return load_study(self.path)


def _text(recipe) -> dict:
    return text_data(recipe.corpus, recipe.tokenizer, recipe.train_tokens)


def _amounts(recipe) -> dict:
    return {
        "tokens": recipe.tokens,
        "bytes": float(recipe.tokens * recipe.bytes_per_token),
        "flops": float(recipe.tokens * recipe.flops_per_token),
    }


def _metrics(bits: dict[str, float], bytes_per_token: float) -> dict[str, float]:
    """Of the sets' bits per byte: the first is validation's, whose nats are per token of the run's own."""
    (_, first), *others = bits.items()
    nats = first * np.log(2) * bytes_per_token
    found = {"validation/loss": nats, "validation/bits_per_byte": first, "train/loss": nats - 0.05}
    return {key: float(value) for key, value in found.items()} | {
        f"{name}/bits_per_byte": float(value) for name, value in others
    }


def _curve(recipe, summary) -> pd.DataFrame:
    """Half a bit for each e-fold of training, down to the summary at the end."""
    steps = np.arange(1, EVALUATIONS + 1) * STEPS // EVALUATIONS
    tokens = steps * recipe.tokens // STEPS
    rows = {
        "step": steps,
        "tokens": tokens,
        "flops": tokens * float(recipe.flops_per_token),
        "seconds": steps * 0.04,
    }
    return pd.DataFrame(rows | {name: end - 0.5 * np.log(steps / STEPS) for name, end in summary.items()})
