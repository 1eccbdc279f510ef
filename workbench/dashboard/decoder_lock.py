"""Decoders are switched to explicit attention while they are read: one session at a time."""

from threading import RLock

READING = RLock()
