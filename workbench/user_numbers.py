"""Numbers that a user writes: what counts as one, what YAML makes of it, and how large it may be.

A number may come as text: YAML 1.1 reads ``2e4`` and ``1e-3`` so. What could mean two things is refused with
what to write instead: ``20,000`` everywhere, and ``20.000``, which is a soundly written 20.0, for a count.
"""

import re
from typing import Any

LARGEST_SEED = 2**53  # what JSON, and Optuna's journal with it, holds exactly
THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2}\.000")  # 20.000: twenty, or twenty thousand as Europe writes it
LARGEST_TOKENS = 10**15  # a hundred times what the largest models were trained on


def read_number(value: Any) -> Any:
    """``value``, or the number that it is as text; ``ValueError`` with the remedy for what is doubtful.

    Anything else that is no number comes back as it is, for the type's own check to refuse.
    """
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number; write one, for example 1")
    if not isinstance(value, str):
        return value
    text = value.strip()
    _refuse_doubtful(text)
    if re.fullmatch(r"[-+]?[0-9][0-9_]*", text):
        return int(text) if len(text) < 40 else float(text)
    if re.fullmatch(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(?:[eE][-+]?[0-9]+)?", text):
        return float(text)
    return value


def read_whole(value: Any) -> Any:
    """As ``read_number``, and whole ones as ``int``: ``2e4`` is 20000."""
    if isinstance(value, str) and THOUSANDS.fullmatch(value.strip()):
        text = value.strip()
        raise ValueError(
            f"{text} may be {text.partition('.')[0]} or a thousand times as much; write "
            f"{text.partition('.')[0]} or {text.replace('.', '_')}"
        )
    value = read_number(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _refuse_doubtful(text: str) -> None:
    if re.fullmatch(
        r"[-+]?[0-9]{1,3}(?:[ \u00a0\u202f'\u2019][0-9]{3})+|[-+]?[0-9]{1,3}(?:\.[0-9]{3}){2,}", text
    ):
        raise ValueError(f"{text} is text; write {re.sub('[^-+0-9]', '_', text)}")
    if re.fullmatch(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+", text):
        raise ValueError(f"{text} is text, for its comma; write {text.replace(',', '_')}")
    if re.fullmatch(r"[-+]?[0-9]+,[0-9]+", text):
        raise ValueError(f"{text} is text, for its comma; write {text.replace(',', '.')}")
    if re.fullmatch(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", text):
        raise ValueError(f"{text} is no number here (YAML 1.1 reads it in base 60); write it without colons")
    if re.fullmatch(r"[-+]?0[0-9_]+", text):
        raise ValueError(f"{text} may be octal; write it without the leading zero")
