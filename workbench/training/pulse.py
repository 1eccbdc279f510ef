"""Whether training comes on: counted where it happens, and told to the driver with each sign of life."""


class Pulse:
    """How much a trial, or a population, has done since its first step. Another thread may read it.

    Until its first step has ended nothing counts: text is prepared and programs are compiled, and how long
    that takes nobody knows beforehand.
    """

    def __init__(self) -> None:
        self._count = 0

    @property
    def count(self) -> int:
        """0 until the first step has ended; it changes whenever something more was done."""
        return self._count

    def begin(self) -> None:
        """Another trial begins: its first step is still to come."""
        self._count = 0

    def step(self) -> None:
        """A training step has ended."""
        self._count += 1

    def beat(self) -> None:
        """Something else has ended that takes its time, such as a batch of a validation."""
        if self._count:
            self._count += 1
