"""How a command ends that could not do its work: in one line, with the remedy, never with a traceback."""

import errno
import os
import sys
import traceback
from collections.abc import Callable

from workbench.errors import StudyStopped, UserError
from workbench.terminal import say

_REMEDIES = {
    errno.ENOSPC: "the disk is full; make room there and give the same command again",
    errno.EDQUOT: "your share of the disk is full; make room there and give the same command again",
    errno.EROFS: "nothing can be written there; choose another place (--out, --to)",
    errno.EACCES: "you may not; check its permissions, or choose another place (--out, --to)",
    errno.EPERM: "you may not; check its permissions, or choose another place (--out, --to)",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another path",
    errno.EEXIST: "a file stands where a folder is needed; choose another path",
    errno.EISDIR: "it is a folder, and a file is needed; choose another path",
    errno.ENOENT: "there is no such file or folder, and none can be made; check the path",
    errno.ENAMETOOLONG: "the name is too long; give a shorter one",
    errno.ELOOP: "its links lead in a circle; check the path",
    errno.ENOMEM: "no memory is left; stop other programs, or lower batch_size, context, size or --workers",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n), or lower --workers",
    errno.EIO: "the disk cannot be read or written; check it",
}
_SHOWN = 120


def ended(command: Callable[[], None]) -> int:
    """Run ``command`` and give its exit status; what it cannot do is said on standard error.

    2 for what the user or the machine has to mend, 1 for a study that cannot go on. A reader that went away
    (``| head``) is sent nothing.
    """
    try:
        command()
        sys.stdout.flush()
    except SystemExit as end:
        return _flushed(end)
    except BrokenPipeError:
        return _without_reader()
    except (UserError, OSError, RecursionError, MemoryError, OverflowError, UnicodeEncodeError) as error:
        say(f"error: {_message(error)}", stderr=True)
        return 2
    except StudyStopped as error:
        say(f"error: {error}", stderr=True)
        return 1
    return 0


def _message(error: Exception) -> str:
    """``error`` in one line, with the remedy."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return _os_error(error)
    if isinstance(error, MemoryError):
        return f"memory ran out ({_place(error)}); {_REMEDIES[errno.ENOMEM]}"
    if isinstance(error, UnicodeEncodeError):
        return (
            f"{error.object[error.start : error.end]!r} cannot be written as {error.encoding}; give "
            "arguments as UTF-8, and set PYTHONIOENCODING=utf-8 where the terminal has another encoding"
        )
    kind = "is nested too deeply" if isinstance(error, RecursionError) else "has a number that is too large"
    return f"what was given {kind} ({_place(error)}); make it smaller"


def _os_error(error: OSError) -> str:
    what = os.strerror(error.errno) if error.errno else str(error)
    remedy = "check the path"
    if error.errno is not None:
        remedy = _REMEDIES.get(error.errno, remedy)
    if error.filename is None:
        return f"{what}: {remedy} ({_place(error)})"
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
    return f"{shown}: {what}; {remedy}"


def _place(error: Exception) -> str:
    """Where in the code it happened, for whoever looks into it."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = next((frame for frame in reversed(frames) if "workbench" in frame.filename), frames[-1])
    return f"{type(error).__name__} in {os.path.basename(last.filename)}, line {last.lineno}"


def _flushed(end: SystemExit) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _without_reader()
    except OSError as error:  # standard output is a file on a full disk
        say(f"error: {_message(error)}", stderr=True)
        return 2
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    say(end.code, stderr=True)
    return 1


def _without_reader() -> int:
    """Nobody reads standard output: what is left of it goes nowhere, also when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141  # 128 + SIGPIPE, as the shell calls it
