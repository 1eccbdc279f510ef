"""Which tokens of a model's own tokenizer begin a text and end one.

A ``tokenizer.json`` does not say it: the files beside it do, and an import keeps what they say. In a
specification ``{"file": ..., "sha256": ...}`` these are further keys, ids or, in a study file, the tokens
themselves. Without any of them the names of well-known vocabularies are the last resort.
"""

from dataclasses import dataclass
from typing import Any

import tokenizers

from workbench.errors import UserError, printable

# How well-known vocabularies call the token that ends a document.
ENDS_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>")
_NO_ID = 2**32  # the library's ids have 32 bits
KEYS = ("beginning_of_text", "adds_beginning", "ends_of_text", "end_of_document")


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """Ids of the tokens that are no text.

    ``beginning_of_text`` is put before a text by the model's own tokenizer if ``adds_beginning``. Generation
    stops at any of ``ends_of_text``; ``end_of_document`` is the one that separates documents in training
    text. None and an empty tuple: the model has no such token.
    """

    beginning_of_text: int | None = None
    adds_beginning: bool = False
    ends_of_text: tuple[int, ...] = ()
    end_of_document: int | None = None

    def ids(self) -> list[int]:
        """All of them, each once."""
        found = (self.beginning_of_text, self.end_of_document, *self.ends_of_text)
        return list(dict.fromkeys(token for token in found if token is not None))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, under ``KEYS``."""
        return {
            "beginning_of_text": self.beginning_of_text,
            "adds_beginning": self.adds_beginning,
            "ends_of_text": list(self.ends_of_text),
            "end_of_document": self.end_of_document,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SpecialTokens":
        """What ``to_dict`` wrote."""
        return cls(**(values | {"ends_of_text": tuple(values["ends_of_text"])}))


def special_tokens(spec: dict[str, Any], model: tokenizers.Tokenizer, key: str) -> SpecialTokens:
    """What ``spec`` says of the tokens of ``model``; raises ``UserError`` below ``key`` for unknown ones."""
    given = {name: spec[name] for name in KEYS if name in spec}
    if not given:
        end = named_end(model)
        return SpecialTokens(ends_of_text=() if end is None else (end,), end_of_document=end)
    ends = [token_id(one, model, f"{key}.ends_of_text") for one in _listed(given.get("ends_of_text"))]
    end = given.get("end_of_document")
    if end is not None:
        end = token_id(end, model, f"{key}.end_of_document")
    elif "end_of_document" not in given and ends:
        end = ends[0]
    if not ends and "ends_of_text" not in given and end is not None:
        ends = [end]
    first = given.get("beginning_of_text")
    if first is not None:
        first = token_id(first, model, f"{key}.beginning_of_text")
    return SpecialTokens(
        beginning_of_text=first,
        adds_beginning=bool(given.get("adds_beginning", False)) and first is not None,
        ends_of_text=tuple(ends),
        end_of_document=end,
    )


def named_end(model: tokenizers.Tokenizer) -> int | None:
    """The id of the first of ``ENDS_OF_TEXT`` that the vocabulary has."""
    found = (model.token_to_id(name) for name in ENDS_OF_TEXT)
    return next((end for end in found if end is not None), None)


def named_id(name: str, model: tokenizers.Tokenizer) -> int | None:
    """The id of the token ``name``, None where the vocabulary has none."""
    if printable(name) != name:  # half a surrogate pair: the library takes Unicode only
        return None
    return model.token_to_id(name)


def token_id(token: str | int, model: tokenizers.Tokenizer | None, key: str) -> int:
    """The id of a token given by its text or its id; raises ``UserError`` for one that there is not."""
    if isinstance(token, str) and model is not None and (found := named_id(token, model)) is not None:
        return found
    if isinstance(token, int) and not isinstance(token, bool) and 0 <= token < _NO_ID:
        known = model is None or model.id_to_token(token) is not None
        if known:
            return token
    raise UserError(f"{key}: the tokenizer has no token {token!r}; give one of its tokens, or its id")


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
