"""The texts of a study: its corpora in the tokens of its tokenizers, and what all variants are judged on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from workbench.data.batches import TokenizedCorpus, prepare
from workbench.data.corpora import untreated
from workbench.data.evaluation_text import EvaluationText, evaluation_text
from workbench.data.tokenizers import Spec, Tokenizer, learned, parse_tokenizer
from workbench.progress import Progress
from workbench.study.schema import Data


class Texts(Protocol):
    """Where a plan has its texts from."""

    def of(self, data: Data) -> TokenizedCorpus:
        """The corpus of ``data`` in the tokens of its tokenizer."""

    def evaluation(self, name: str, corpus: str | dict[str, Any], max_bytes: int) -> EvaluationText:
        """At most ``max_bytes`` of what ``corpus`` holds out, as the evaluation text ``name``."""


class OneText:
    """A corpus that is there already, of a study whose variants all train on it."""

    def __init__(self, corpus: TokenizedCorpus) -> None:
        self._corpus = corpus

    def of(self, data: Data) -> TokenizedCorpus:
        """The corpus."""
        return self._corpus

    def evaluation(self, name: str, corpus: str | dict[str, Any], max_bytes: int) -> EvaluationText:
        """Refused: there is no other text than the corpus."""
        raise NotImplementedError("a study with evaluation texts needs PreparedTexts")


class PreparedTexts:
    """Texts that are read, tokenised and kept in the cache when they are first asked for.

    A tokenizer of byte pairs is learned once, from ``learning_corpus``, the baseline's before any treatment,
    and serves for every corpus: two corpora in tokens of their own would be two changes. ``known`` gives the
    tokenizer that is there already for what a study file asks for, or None where it is to be made.
    """

    def __init__(
        self,
        learning_corpus: str | dict[str, Any],
        cache: Path,
        known: Callable[[Spec], Tokenizer | None] = lambda asked: None,
        progress: Progress = lambda text, part: None,
    ) -> None:
        self._learning_corpus = untreated(learning_corpus)
        self._cache = cache
        self._known = known
        self._progress = progress
        self._corpora: dict[str, TokenizedCorpus] = {}

    def of(self, data: Data) -> TokenizedCorpus:
        """The corpus of ``data`` in the tokens of its tokenizer; raises ``UserError`` for what cannot be."""
        key = repr((data.corpus, data.tokenizer))
        if key not in self._corpora:
            tokenizer = self._known(data.tokenizer) or self._learned_once(data) or data.tokenizer
            self._corpora[key] = prepare(data.corpus, tokenizer, self._cache, self._progress)
        return self._corpora[key]

    def evaluation(self, name: str, corpus: str | dict[str, Any], max_bytes: int) -> EvaluationText:
        """At most ``max_bytes`` of what ``corpus`` holds out, as the evaluation text ``name``."""
        key = f"data.evaluation.{name}"
        return evaluation_text(corpus, max_bytes, self._cache, self._progress, key=key)

    def _learned_once(self, data: Data) -> Tokenizer | None:
        """What another corpus than ``learning_corpus`` is cut by, where that is learned from a text."""
        if data.corpus == self._learning_corpus or not learned(parse_tokenizer(data.tokenizer)):
            return None
        return self.of(data.model_copy(update={"corpus": self._learning_corpus})).tokenizer
