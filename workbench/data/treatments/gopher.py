"""Cleaning: the quality rules of Gopher, which tell prose from lists, menus and tables."""

import string

from pydantic import Field

from workbench.data.treatments.treatment import Filter
from workbench.number_types import Number, Whole

_STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
_BULLETS = ("•", "‣", "▪", "●", "-", "*")
_ELLIPSES = ("...", "…")


class Gopher(Filter):
    """Keeps documents that look like prose by their length, words, symbols and lines. Made for web pages."""

    name = "gopher"
    formula = "keep a document where length, words, symbols, bullets, ellipses and stop words are prose's"
    paper = "Rae et al. 2021, arXiv 2112.11446, table A1"

    fewest_words: Whole = Field(
        50, ge=1, description="A document with fewer words is dropped; words stand between white space."
    )
    most_words: Whole = Field(100_000, ge=1, description="A document with more words is dropped.")
    shortest_mean: Number = Field(3, ge=0, description="Characters: the least mean length of a word.")
    longest_mean: Number = Field(10, gt=0, description="Characters: the largest mean length of a word.")
    symbols: Number = Field(
        0.1, ge=0, description="The most hash signs, and the most ellipses, for each word."
    )
    bullets: Number = Field(
        0.9, ge=0, le=1, description="The largest share of lines that begin with a bullet."
    )
    ellipses: Number = Field(
        0.3, ge=0, le=1, description="The largest share of lines that end with an ellipsis."
    )
    letters: Number = Field(0.8, ge=0, le=1, description="The least share of words that have a letter.")
    stop_words: Whole = Field(
        2,
        ge=0,
        le=len(_STOP_WORDS),
        description="How many of the words the, be, to, of, and, that, have and with must be there.",
    )

    def rule_against(self, text: str) -> str:
        """The first of Gopher's rules that drops ``text``."""
        words = text.split()
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if len(words) < self.fewest_words:
            return "few_words"
        if len(words) > self.most_words:
            return "many_words"
        mean_length = sum(map(len, words)) / len(words)
        if mean_length < self.shortest_mean:
            return "short_words"
        if mean_length > self.longest_mean:
            return "long_words"
        if text.count("#") > self.symbols * len(words):
            return "hash_signs"
        if sum(map(text.count, _ELLIPSES)) > self.symbols * len(words):
            return "ellipses"
        if sum(line.startswith(_BULLETS) for line in lines) > self.bullets * len(lines):
            return "bullets"
        if sum(line.endswith(_ELLIPSES) for line in lines) > self.ellipses * len(lines):
            return "lines_with_ellipsis"
        if sum(any(map(str.isalpha, word)) for word in words) < self.letters * len(words):
            return "words_without_letters"
        bare = {word.strip(string.punctuation).lower() for word in words}
        if len(_STOP_WORDS & bare) < self.stop_words:
            return "stop_words"
        return ""
