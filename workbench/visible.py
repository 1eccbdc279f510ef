"""Text as a reader may be shown it: what would act on a terminal or a page is written out instead."""

import re

# What moves the cursor, rings or recolours (C0 but tab and line feed, DEL, C1), bytes of a name that is no
# UTF-8 (lone surrogates), other ends of lines, and marks that turn the order of what follows around.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)


def visible(text: object) -> str:
    """``text`` with every character that would act written as Python would: ``\\x1b``, ``\\u202e``.

    Letters, marks and emoji of any script stay, and so do tabs and ends of lines.
    """
    return _ACTING.sub(lambda found: spelt_out(found[0]), str(text).replace("\r\n", "\n"))


def one_line(text: object) -> str:
    """``visible`` text for a place of one line: line feeds are ``⏎``, as in tokens."""
    return visible(text).replace("\n", "⏎")


def spelt_out(character: str) -> str:
    """A character as Python would write it: ``\\x1b``, ``\\u202e``; the byte of a name that is no UTF-8."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that could not be decoded
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
