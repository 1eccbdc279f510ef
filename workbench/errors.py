"""The one kind of error that is the user's to mend.

A ``UserError`` names the thing that is wrong and the remedy. The command line prints its message
without a traceback and ends with exit code 2.
"""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Input that cannot be used as it stands; the message says what to change."""


class StudyStopped(RuntimeError):
    """A study that cannot go on, through no mistake in its file; the message says why and what to do.

    The command line prints it without a traceback and ends with exit code 1.
    """


class RecordError(UserError):
    """A record on disk that is missing, damaged, or of a later format."""


def suggestion(name: object, known: Iterable[object], most: int | None = None) -> str:
    """``did you mean 'x'? Known: ...`` where a known name is close, else only the list (of ``most``)."""
    names = [str(item) for item in known]
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    more = ", ..." if most is not None and len(names) > most else ""
    return f"{hint}Known: {', '.join(names[:most]) or 'none'}{more}"
