"""Who may write to a run's directory: the worker that the driver gave the run to last.

A worker that the driver has given up may live on: on a machine that lost its network for a while, or waiting
for a disk that no signal interrupts. Its trial goes on elsewhere meanwhile, and what it would still write is
older than what is there. So the driver writes down which attempt a run's present one is, before it hands the
run out, and whoever trains it looks before each file of the run is put in place.
"""

from pathlib import Path

from workbench.files import write_atomically

ATTEMPT = "attempt"  # in the run's directory, while it has no outcome


class GivenUp(RuntimeError):
    """The run is another worker's by now; this one writes nothing more of it."""


def claim(run: Path, attempt: str) -> None:
    """From now on the run in this directory is that of ``attempt``, a name that no other attempt has."""
    write_atomically(run / ATTEMPT, attempt)


def revoke(run: Path) -> None:
    """From now on the run is nobody's: whoever trained it was given up, or is done with it."""
    (run / ATTEMPT).unlink(missing_ok=True)


def require_claim(run: Path, attempt: str) -> None:
    """Raise ``GivenUp`` where the run is not that of ``attempt`` any more."""
    try:
        present = (run / ATTEMPT).read_text(encoding="utf-8")
    except FileNotFoundError:
        present = "nobody"
    if present != attempt:
        raise GivenUp(f"{run}: this attempt ({attempt}) was given up; the run is that of {present}")
