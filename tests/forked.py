"""Processes of Python without its start: forked from the test's own, which has imported everything already.

Importing torch and Lightning takes seconds, many times what a tiny study trains for. A forked process is one
of its own all the same, with its pipes, group and signals, to be killed and waited for.
"""

import gc
import os
import resource
import runpy
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any


class Forked(subprocess.Popen):
    """``Popen`` that forks where ``python -m MODULE ...`` or ``python -c CODE ...`` is to be executed.

    So do the processes that this one starts in turn. Anything else is executed as ever.
    """

    def __init__(self, words: list[str], **options: Any) -> None:
        if words[0] == sys.executable:
            # Called in the new process, in its group, and with its pipes in place; it does not return.
            kept = sorted(options.get("pass_fds", ()))
            options["preexec_fn"] = partial(_become, words[1:], options.get("env"), kept)
        super().__init__(words, **options)


def _become(words: list[str], environment: Mapping[str, str] | None, kept: list[int]) -> None:
    """Be what ``python`` with these words would be, to its end; ``kept`` are files that it is given."""
    code = 1
    try:
        _leave_behind(environment, kept)
        subprocess.Popen = Forked  # type: ignore[misc]
        code = _run(words)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _leave_behind(environment: Mapping[str, str] | None, kept: list[int]) -> None:
    """Have memory, files, signals and environment as a new process has them."""
    gc.freeze()  # what was the test's is never collected here, and closes no file that is another's by now
    gc.enable()
    # Whoever waits for the end of a pipe would wait in vain while others have it open.
    begins = 3
    for number in [*kept, resource.getrlimit(resource.RLIMIT_NOFILE)[0]]:
        os.closerange(begins, number)
        begins = number + 1
    # What stood here before may be closed when it is let go, and must not close these.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # as Python has them
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    sys.path[:0] = ["", *os.environ.get("PYTHONPATH", "").split(os.pathsep)]


def _run(words: list[str]) -> int:
    """The exit code of ``python`` with these words."""
    kind, what, *arguments = words
    sys.argv = [what, *arguments]
    try:
        if kind == "-m":
            warnings.filterwarnings(
                "ignore", ".* found in sys.modules", RuntimeWarning
            )  # it is known already
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            assert kind == "-c", f"{kind}: only modules and code are run"
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
    else:
        return 0
    return 1
