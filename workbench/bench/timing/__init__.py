"""How seconds are taken so that they may be compared: turns, rounds, medians, the machine's state."""
