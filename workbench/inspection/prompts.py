"""Texts that a reader types: which part of a long one is read, and numbers of tokens in it."""

import re
from typing import TYPE_CHECKING

from workbench.errors import UserError
from workbench.inspection.run_text import run_text
from workbench.inspection.scope import Scope
from workbench.records.weights_at_hand import require_weights

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.inspection.subject import Subject

PROMPT = 64  # tokens of the text that is shown before another is typed
WITHOUT_CORPUS = "The quick brown fox jumps over the lazy dog."
# Each letter has one follower, which only its first half tells: induction (Olsson et al. 2022).
_LETTERS = "qmzfkxbjwvhcypdgtnslr" * 2
_COPIED = """\
counts[word] = counts.get(word, 0) + 1
total += 1
counts[word] = counts.get(word, 0) + 1
"""
_INDENTED = """\
def first(rows):
    for row in rows:
        if row:
            return row
    return None

def last(rows):
    for row in"""
_BRACKETS = "print(max([len(word), (a + b) * {c: [d, (e - f)]}[c][0]], key=int))"
LEAST_WINDOW = 256  # tokens that are read at once also where the context is shorter


def default_text(scope: Scope) -> str:
    """The beginning of the validation text: as much as every run was trained to read, at most 64 tokens.

    A sentence of its own where that text is not to be had: the decoder reads any other as well. Raises
    ``UserError`` of a run without weights, which reads none.
    """
    require_weights(scope.run)
    text = run_text(scope.run)
    contexts = [scope.record(role).config["model"]["context"] for role in scope.roles]
    try:
        return text.tokenizer.decode(text.corpus.validation[: min(PROMPT, *contexts)])
    except UserError:
        return WITHOUT_CORPUS


def example_texts(scope: Scope) -> dict[str, str]:
    """Texts on which heads show what they do, by what that is; short enough for a context of 128 bytes."""
    return {
        "validation text": default_text(scope),
        "letters in random order, twice": _LETTERS,
        "a line that comes again": _COPIED,
        "indentation": _INDENTED,
        "brackets": _BRACKETS,
    }


def comparable(scope: Scope) -> "dict[str, Subject]":
    """The subjects by role; of the run alone where the other splits text into other tokens."""
    found = {role: scope.subject(role) for role in scope.roles}
    return found if len({subject.splits for subject in found.values()}) == 1 else {"run": found["run"]}


def window_size(subject: "Subject") -> int:
    """How many tokens the decoder reads at once: its context, or 256 where that is less and it can."""
    limit, context = subject.decoder.positions.limit, subject.decoder.config.context
    return context if limit is not None else max(context, LEAST_WINDOW)


def window(ids: "Tensor", first: int, size: int) -> "tuple[int, Tensor]":
    """Where the window of ``ids (T,)`` that holds token ``first`` begins, and its tokens, at most ``size``.

    A last window of a single token, which foretells nothing, goes with the one before it.
    """
    start = first // size * size
    if start == len(ids) - 1 and start > 0:
        start -= 1
    return start, ids[start : start + size]


def whole_number(name: str, text: str, most: int, least: int = 0) -> int:
    """``text`` as a number from ``least`` to ``most``; raises ``UserError`` naming the option."""
    # Not isdecimal: other scripts have digits too.
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise UserError(f"{name}: {text!r} is no token of what is read; give a number from {least} to {most}")
    return int(text)
