"""Texts that a design asks for nothing but their vocabulary."""

from types import SimpleNamespace


class Vocabulary:
    """Texts whose tokenizers have so many ids, and whose tokens stand for one byte each."""

    def __init__(self, size):
        self._corpus = SimpleNamespace(vocabulary=size, train_bytes=1000, train=range(1000))

    def of(self, data):
        """A corpus that says no more."""
        return self._corpus


BYTES = Vocabulary(257)
