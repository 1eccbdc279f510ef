"""What a token stands for inside a text, where the blank before a word belongs to it.

A vocabulary spells its pieces in its own way: ``▁cat`` and ``Ġcat`` for " cat", ``##s`` for the rest of a
word, ``<0xE2>`` or ``â`` for a byte. What a spelling means says the file's decoder, which treats a piece
otherwise at the ends of a text (there it drops the blank) than inside: a piece is decoded between two others.
"""

import re
from functools import cached_property
from typing import Any

import tokenizers

_BLANK = "▁"  # SentencePiece's sign for one
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_TRIED = 50_000  # pieces among which a plain one is looked for


class Pieces:
    """The pieces of a tokenizer by id. Each is worked out when it is first asked for."""

    def __init__(self, model: tokenizers.Tokenizer, settings: dict[str, Any]) -> None:
        """``settings`` are what the model's ``tokenizer.json`` holds."""
        self._model, self._settings = model, settings
        self._added = model.get_added_tokens_decoder()
        steps = _types(settings.get("decoder"))
        self._spells_bytes = steps == ["ByteLevel"] or (
            not steps and "ByteLevel" in _types(settings.get("pre_tokenizer"))
        )
        self._has_bytes = "ByteFallback" in steps or bool(settings["model"].get("byte_fallback"))
        self._marks_blanks = _marks_blanks(settings)
        self._has_decoder = bool(steps)
        self._known: dict[int, str] = {}

    def __getitem__(self, token: int) -> str:
        """The text of an id; bytes that are no whole character as ``\\xe2``, special tokens by their names.

        Empty for an id that stands for nothing.
        """
        if token not in self._known:
            self._known[token] = self._piece(token)
        return self._known[token]

    def _piece(self, token: int) -> str:
        spelling = self._model.id_to_token(token)
        if spelling is None:
            return ""
        if token in self._added:  # stands in a text as it is, or in none
            added = self._added[token]
            is_text = not added.special and added.normalized
            return self._without_marks(spelling) if is_text else spelling
        if self._spells_bytes:
            return readable(_bytes_of(spelling))
        if self._has_bytes and (byte := _BYTE.fullmatch(spelling)):
            return readable(bytes([int(byte[1], 16)]))
        return self._between(token, spelling)

    def _between(self, token: int, spelling: str) -> str:
        """The piece as the decoder writes it between two others."""
        others = [one for one in self._neighbours if one != token][:2]
        if len(others) < 2:
            return self._without_marks(spelling)
        left, right = others
        before = self._decode(left)
        after = self._decode(left, right).removeprefix(before)
        text = self._decode(left, token, right)
        if not (text.startswith(before) and text.removeprefix(before).endswith(after)):
            return self._without_marks(spelling)
        return self._without_blank_marks(text.removeprefix(before).removesuffix(after))

    def _decode(self, *ids: int) -> str:
        return self._model.decode(list(ids), skip_special_tokens=False)

    @cached_property
    def _neighbours(self) -> list[int]:
        """Three pieces of letters alone, which the decoder leaves as they are; fewer where there are none."""
        found: list[int] = []
        if not self._has_decoder:  # then the library puts a blank between any two
            return found
        for token in range(min(_TRIED, self._model.get_vocab_size(with_added_tokens=False))):
            spelling = self._model.id_to_token(token)
            plain = spelling is not None and spelling.isascii() and spelling.isalpha()
            if plain and token not in self._added and self._decode(token).strip() == spelling:
                found.append(token)
            if len(found) == 3:
                break
        return found

    def _without_marks(self, spelling: str) -> str:
        """For files without a decoder: what their own marks mean."""
        kind = self._settings["model"]
        spelling = spelling.removeprefix(kind.get("continuing_subword_prefix") or "")
        if (suffix := kind.get("end_of_word_suffix")) and spelling.endswith(suffix):
            spelling = f"{spelling.removesuffix(suffix)} "
        return self._without_blank_marks(spelling)

    def _without_blank_marks(self, text: str) -> str:
        return text.replace(_BLANK, " ") if self._marks_blanks else text


def readable(spelt: bytes) -> str:
    """The text of ``spelt``; bytes that are no whole character as ``\\xe2``."""
    return spelt.decode("utf-8", "backslashreplace")


def _types(step: dict[str, Any] | None) -> list[str]:
    """The kinds of steps of a decoder, a normalizer or a pre-tokenizer, in order."""
    return [one["type"] for one in _steps(step)]


def _steps(step: dict[str, Any] | None) -> list[dict[str, Any]]:
    if step is None:
        return []
    inner = next((step[name] for name in ("decoders", "normalizers", "pretokenizers") if name in step), None)
    return [step] if inner is None else [one for part in inner for one in _steps(part)]


def _marks_blanks(settings: dict[str, Any]) -> bool:
    """Whether ``▁`` stands for a blank: something puts it in place of one, or takes it out again."""
    steps = [
        step for name in ("normalizer", "pre_tokenizer", "decoder") for step in _steps(settings.get(name))
    ]
    return any(
        step["type"] == "Metaspace"
        or (step["type"] == "Replace" and _BLANK in (step.get("content"), *step["pattern"].values()))
        for step in steps
    )


def _byte_of_letters() -> dict[str, int]:
    """How byte-level vocabularies write a byte: printable ones as themselves, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(rest)}


_BYTE_OF_LETTER = _byte_of_letters()


def _bytes_of(spelling: str) -> bytes:
    if all(letter in _BYTE_OF_LETTER for letter in spelling):
        return bytes(_BYTE_OF_LETTER[letter] for letter in spelling)
    return spelling.encode("utf-8")  # as the library has it
