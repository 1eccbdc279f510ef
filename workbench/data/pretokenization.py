"""How a text is cut before pairs of its bytes are learned and merged: GPT-2's rule, and no piece without end.

GPT-2 cuts at blanks, and between letters, digits and signs. Text that has neither (DNA, a script without
blanks, one long number, a page of dashes) is then a single piece, and learning takes the square of its
length. Where the text to learn from has such pieces, the tokenizer cuts them at a fixed length, in learning
as in use: it says so in its ``tokenizer.json``. Any other text gives the tokenizer that it always gave.
"""

import re

from tokenizers import Regex, pre_tokenizers

LONGEST = 1024  # characters; the longest piece of the standard library's source has 80

# The runs of one kind that GPT-2's rule leaves whole. Its numbers are more than digits: close enough to tell.
_RUNS = [re.compile(pattern) for pattern in (r"[^\W\d_]+", r"\d+", r"\s+", r"(?:[^\w\s]|_)+")]


def pre_tokenizer(documents: list[str]) -> pre_tokenizers.PreTokenizer:
    """What cuts ``documents``, and every text that is encoded with what is learned from them."""
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if not any(map(has_long_piece, documents)):
        return words
    # After it each byte is a character.
    return pre_tokenizers.Sequence([words, pre_tokenizers.Split(Regex(f".{{1,{LONGEST}}}"), "isolated")])


def has_long_piece(text: str) -> bool:
    """Whether a run of one kind in ``text`` is longer than ``LONGEST`` characters."""
    # Such a run has one of these places in it, so that all others need not be looked at.
    return any(_run_length(text, place) > LONGEST for place in range(0, len(text), LONGEST))


def _run_length(text: str, place: int) -> int:
    """How long the run around ``place`` is, as far as ``LONGEST`` characters to either side."""
    run = next(run for run in _RUNS if run.match(text, place))
    after = run.match(text, place, place + LONGEST + 1)
    before = run.match(text[max(0, place - LONGEST) : place][::-1])
    return sum(part.end() - part.start() for part in (before, after) if part is not None)
