"""Several corpora in given shares, as pre-training data are mixed."""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from workbench.data.sources.source import CorpusConfig, Example
from workbench.errors import suggestion
from workbench.number_types import Number

# What LLaMA was trained on, in percent of the tokens: Touvron et al. 2023, arXiv 2302.13971, table 1.
LLAMA = {
    "common_crawl": 67.0,
    "c4": 15.0,
    "github": 4.5,
    "wikipedia": 4.5,
    "books": 4.5,
    "arxiv": 2.5,
    "stack_exchange": 2.0,
}
_PRESETS = {"llama": LLAMA}


class Mixture(CorpusConfig):
    """Several corpora, each with its share of the bytes; each is split into training and validation alone.

    Shares are of bytes, not of tokens: a tokenizer may be learned from the mixture, which has to be there
    first then, and tokenizers that are compared read one text.

    There is as much of it as the shares allow without using a corpus more than ``passes`` times, or as
    ``max_bytes`` says. Documents of a corpus are taken in an order drawn from their content, and those of all
    corpora stand between each other in proportion.
    """

    key: ClassVar[str] = "mixture"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "mixture",
            "several corpora in shares of the bytes; weights: llama for those of its table 1",
            "{mixture: {code: python-stdlib, prose: python-docstrings}, weights: {code: 0.7, prose: 0.3}}",
        ),
    )
    mixture: dict[str, str | dict[str, Any]] = Field(
        min_length=1,
        description="The corpora by name, each given as data.corpus itself is. One that says no "
        "validation_fraction has the mixture's.",
        examples=[{"code": "python-stdlib", "prose": "python-docstrings"}],
    )
    weights: dict[str, Number] | Literal["llama"] = Field(
        description="The share of each corpus, by its name: numbers of any sum. They are shares of UTF-8 "
        "bytes, whatever the tokenizer: byte pairs are learned from the mixture, so that there are no tokens "
        "to count before it, and compared tokenizers read one text. To have shares of a tokenizer's tokens, "
        "multiply each by how many bytes one of them stands for in that corpus. llama: those of LLaMA's "
        f"table 1, which are of tokens, for corpora that are called {', '.join(LLAMA)}, or some of them.",
        examples=[{"code": 0.7, "prose": 0.3}],
    )
    passes: Number = Field(
        1,
        gt=0,
        le=1_000,
        description="How often each corpus may be used at most. With more than 1 small corpora repeat, which "
        "makes the mixture larger; what is held out never repeats.",
    )

    @model_validator(mode="after")
    def _each_has_its_weight(self) -> "Mixture":
        weights = _PRESETS[self.weights] if isinstance(self.weights, str) else self.weights
        for name in self.mixture:
            if name not in weights:
                raise ValueError(f"weights: no weight for {name!r}; {suggestion(name, weights)}")
        if isinstance(self.weights, dict):
            for name, weight in self.weights.items():
                if name not in self.mixture:
                    raise ValueError(
                        f"weights: {name!r} is no corpus of it; {suggestion(name, self.mixture)}"
                    )
                if weight <= 0:
                    raise ValueError(
                        f"weights: {name}: {weight:g} is no share; give more than 0, or leave it out"
                    )
        return self

    @property
    def shares(self) -> dict[str, float]:
        """The part of all bytes that each corpus has; they add up to 1."""
        weights = _PRESETS[self.weights] if isinstance(self.weights, str) else self.weights
        whole = sum(weights[name] for name in self.mixture)
        return {name: weights[name] / whole for name in self.mixture}

    def parts(self) -> dict[str, Any]:
        """Also the corpora that are mixed, with the mixture's validation fraction where they have none."""
        mixed = {}
        for name, spec in self.mixture.items():
            own = {"name": spec} if isinstance(spec, str) else spec
            mixed[f"mixture.{name}"] = {"validation_fraction": self.validation_fraction, **own}
        return mixed | super().parts()
