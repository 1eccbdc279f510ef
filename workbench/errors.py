"""The one kind of error that is the user's to mend.

A ``UserError`` names the thing that is wrong and the remedy. The command line prints its message
without a traceback and ends with exit code 2.
"""

import difflib
import re
from collections.abc import Iterable

from workbench.visible import spelt_out

_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN = 200


class UserError(ValueError):
    """Input that cannot be used as it stands; the message says what to change.

    The message can always be printed and recorded, whatever name or text it repeats.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


class StudyStopped(RuntimeError):
    """A study that cannot go on, through no mistake in its file; the message says why and what to do.

    The command line prints it without a traceback and ends with exit code 1.
    """


class RecordError(UserError):
    """A record on disk that is missing, damaged, or of a later format."""


def printable(text: str) -> str:
    """``text`` with what UTF-8 cannot write spelt out: a byte of a file's name as ``\\xe9``."""
    return _SURROGATE.sub(lambda found: spelt_out(found[0]), text)


def in_one_line(error: object, most: int | None = _SHOWN) -> str:
    """What a library says of a fault, or a message of ours, without line breaks and control characters.

    Of what is longer than ``most`` the beginning; None: all of it.
    """
    text = "".join(letter if letter.isprintable() else " " for letter in str(error))
    line = " ".join(text.split())
    return line if most is None or len(line) <= most else f"{line[:most]}…"


def suggestion(name: object, known: Iterable[object], most: int | None = None) -> str:
    """``did you mean 'x'? Known: ...`` where a known name is close, else only the list (of ``most``)."""
    names = [str(item) for item in known]
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    more = ", ..." if most is not None and len(names) > most else ""
    return f"{hint}Known: {', '.join(names[:most]) or 'none'}{more}"
