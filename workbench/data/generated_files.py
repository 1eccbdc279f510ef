"""Files that a program wrote: their first lines say so."""

_FIRST_LINES = 5


def says_generated(text: str) -> bool:
    """Whether one of the first five lines has the word "generated", as StarCoder's filter asks."""
    return any("generated" in line.lower() for line in text.split("\n", _FIRST_LINES)[:_FIRST_LINES])
