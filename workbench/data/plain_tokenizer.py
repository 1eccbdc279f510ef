"""A ``tokenizer.json`` read so that it does one thing alone: turn the whole of a text into its tokens.

Such a file holds the state in which it was saved: truncation and padding, dropout of merges, tokens that a
post-processor adds. And the library takes a special token that a text merely spells for that token. None of
it is wanted here: a corpus is longer than any model's context, and a page about ``<|endoftext|>`` does not
end where it names it.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import tokenizers
from tokenizers import Regex, pre_tokenizers

_NO_STATE = ("truncation", "padding", "post_processor")
# Tokens that are never text, whatever a file says of them.
_CONTROL = (
    "<|endoftext|>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<s>",
    "</s>",
    "<bos>",
    "<eos>",
    "<pad>",
    "<unk>",
)
_MOST_IDS = 2**22  # sixteen times the largest published vocabularies
_KEEPS_ALL = ("Split", "Digits", "ByteLevel")  # pre-tokenizers that cut and lose nothing, as set below


def open_plain(
    content: bytes, ends: Iterable[str] = (), special: Iterable[str] = ()
) -> tuple[tokenizers.Tokenizer, dict[str, Any]]:
    """The tokenizer that ``content`` holds, and its settings; raises ``ValueError`` if it holds none.

    The first of ``ends``, all of them well-known, that it has is special, whatever the file says of it, and
    so are ``special``, and the well-known tokens that it has beside its text.
    """
    special = list(special)
    settings = _settings(content)
    settings |= dict.fromkeys(_NO_STATE)
    if "dropout" in settings["model"]:
        settings["model"]["dropout"] = None  # merges left out at random: a help in training, no text's tokens
    model = _load(settings)
    end = next((token for token in ends if model.token_to_id(token) is not None), None)
    named = {*special, end}
    changed = []
    for token in dict.fromkeys((*_CONTROL, *special)):
        place = model.token_to_id(token)
        if place is not None and (token in named or _stands_beside_text(settings, token)):
            changed.append(_made_special(settings, token, place))
    if any(changed):
        model = _load(settings)
    _require_own_ids(model, settings)
    model.encode_special_tokens = True
    _guard(model, settings)
    return model, settings


def _require_own_ids(model: tokenizers.Tokenizer, settings: dict[str, Any]) -> None:
    """Raise ``ValueError`` where ids are not those of the file, or beyond any vocabulary.

    The library gives an added token the next free number, whatever id the file has for it: in a vocabulary
    with gaps another piece may have that number already, and a model's embedding has none for it.
    """
    largest = max(model.get_vocab(with_added_tokens=True).values(), default=0)
    if largest >= _MOST_IDS:
        raise ValueError(f"it has the id {largest:,}, and ids below {_MOST_IDS:,} are the most")
    for item in settings.get("added_tokens", []):
        content = item["content"]
        place = model.token_to_id(content)
        if place is None or place != item["id"] or model.id_to_token(place) != content:
            raise ValueError(
                f"its added token {content!r} has the id {item['id']}, which the library reads as {place}: "
                f"the vocabulary has gaps, or ids that stand twice"
            )


def unknown_id(model: tokenizers.Tokenizer, settings: dict[str, Any]) -> int | None:
    """The id that stands for what the vocabulary cannot spell, None where there is none."""
    kind = settings["model"]
    if kind.get("unk_id") is not None:
        return int(kind["unk_id"])
    return None if kind.get("unk_token") is None else model.token_to_id(kind["unk_token"])


def spells_bytes(settings: dict[str, Any]) -> bool:
    """Whether each id stands for the same bytes wherever it is, and nothing of a text is changed or lost."""
    model = settings["model"]
    if settings.get("normalizer") is not None or model.get("type", "BPE") != "BPE":
        return False
    if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        return False
    steps = _steps(settings.get("pre_tokenizer"))
    if not any(step["type"] == "ByteLevel" for step in steps) or not all(map(_keeps_all, steps)):
        return False
    if not set(pre_tokenizers.ByteLevel.alphabet()) <= set(model["vocab"]):
        return False
    return not any(_takes_more(token, model["vocab"]) for token in settings.get("added_tokens", []))


def _settings(content: bytes) -> dict[str, Any]:
    try:
        settings = json.loads(content.decode("utf-8-sig"))
        if not isinstance(settings["model"], dict):
            raise TypeError("its model is no object")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return settings


def _load(settings: dict[str, Any]) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_str(json.dumps(settings))
    except Exception as error:  # the library raises bare Exception
        raise ValueError(str(error)) from error


def _stands_beside_text(settings: dict[str, Any], token: str) -> bool:
    """Whether a token was added, or is in a vocabulary without merges, which would learn it from a text."""
    if any(item["content"] == token for item in settings.get("added_tokens", [])):
        return True
    kind = settings["model"]
    vocabulary = kind.get("vocab", {})
    if kind.get("type", "BPE") == "BPE":
        return False
    return token in (vocabulary if isinstance(vocabulary, dict) else {piece for piece, _ in vocabulary})


def _made_special(settings: dict[str, Any], token: str, place: int) -> bool:
    """Mark ``token`` as special in ``settings``; False where it was."""
    added = settings.setdefault("added_tokens", [])
    entry = next((item for item in added if item["content"] == token), None)
    if entry is not None and entry["special"]:
        return False
    if entry is None:
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        entry = {"id": place, "content": token} | flags
        added.append(entry)
        added.sort(key=lambda item: item["id"])
    entry["special"] = True
    return True


def _guard(model: tokenizers.Tokenizer, settings: dict[str, Any]) -> None:
    """Cut a special token that a text spells where the vocabulary has it as a piece of text as well.

    The library then finds it twice: as the special token, which is switched off, and as the piece (in Unigram
    and word vocabularies). Cut after its first character, it is spelt by other pieces.
    """
    special = [item["content"] for item in settings.get("added_tokens", []) if item["special"]]
    reached = [token for token in special if len(token) > 1 and _reaches(model, token)]
    if not reached:
        return
    cuts = [f"{re.escape(token[0])}(?={re.escape(token[1:])})" for token in reached]
    cut = pre_tokenizers.Split(Regex("|".join(cuts)), "isolated")
    before = [] if model.pre_tokenizer is None else [model.pre_tokenizer]
    model.pre_tokenizer = pre_tokenizers.Sequence([*before, cut])


def _reaches(model: tokenizers.Tokenizer, token: str) -> bool:
    place, spellings = model.token_to_id(token), (token, f"a {token} a", f"a{token}a")
    return any(place in item.ids for item in model.encode_batch(spellings, add_special_tokens=False))


def _steps(pre_tokenizer: dict[str, Any] | None) -> list[dict[str, Any]]:
    if pre_tokenizer is None:
        return []
    if pre_tokenizer["type"] != "Sequence":
        return [pre_tokenizer]
    return [step for inner in pre_tokenizer["pretokenizers"] for step in _steps(inner)]


def _keeps_all(step: dict[str, Any]) -> bool:
    return (
        step["type"] in _KEEPS_ALL
        and step.get("behavior") != "Removed"
        and not (step["type"] == "ByteLevel" and step.get("add_prefix_space", True))
    )


def _takes_more(token: dict[str, Any], vocabulary: dict[str, int]) -> bool:
    """Whether an added token takes space around it, or shares its id with a piece of other bytes."""
    if token["special"]:
        return False
    shared = token["content"] in vocabulary and not token["content"].isascii()
    return token["lstrip"] or token["rstrip"] or shared
