"""The text of a run as it is now, and the tokens that it is read in: what is known without its decoder."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from workbench.data.tokenized import TokenizedCorpus
from workbench.data.tokenizers import Tokenizer
from workbench.errors import UserError
from workbench.files import version
from workbench.records.run import RECORD, RunDirectory
from workbench.training.run_text import open_corpus, open_tokenizer

_KEPT = 12  # in memory: one for each variant of a chart


@dataclass(frozen=True, eq=False)
class RunText:
    """A run's tokenizer and corpus, each opened when it is first asked for."""

    directory: RunDirectory

    @cached_property
    def corpus(self) -> TokenizedCorpus:
        """The corpus that the run was trained (or, if imported, is evaluated) on, as it is now."""
        return open_corpus(self.directory)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Text to token ids and back, as the run learned them."""
        return open_tokenizer(self.directory)

    @cached_property
    def fingerprint(self) -> str:
        """What tells the corpus from any other; empty where it is not to be had."""
        try:
            return self.corpus.fingerprint
        except UserError:
            return ""


def run_text(directory: RunDirectory) -> RunText:
    """The run's text, kept in memory until its record changes."""
    return _run_text(directory.path, version(directory.path / RECORD))


@lru_cache(maxsize=_KEPT)
def _run_text(path: Path, current: tuple[int, int]) -> RunText:
    return RunText(RunDirectory(path))
