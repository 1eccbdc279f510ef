"""Which token begins a text of a published model and which end one, from the files beside the weights.

The files repeat each other and often disagree. What holds is the first that names a token of the model:

* where a text ends, ``generation_config.json`` (``eos_token_id``, one or several), at which transformers'
  ``generate`` stops; then ``config.json``; then ``eos_token`` of ``tokenizer_config.json``, and of
  ``special_tokens_map.json``; at last the names of well-known vocabularies;
* what begins one, ``bos_token`` of ``tokenizer_config.json`` and of ``special_tokens_map.json``, because it
  is the tokenizer that puts it; then what ``tokenizer.json`` puts first; then ``bos_token_id`` of
  ``generation_config.json`` and of ``config.json``;
* whether it is put before a text, ``add_bos_token`` of ``tokenizer_config.json``; without that, whether
  ``tokenizer.json`` does so.

Documents are separated by the first end that is no piece of ordinary text: configurations that were never
filled in have the ids of another vocabulary. Meta's layout has none of these files; its code puts the
beginning before every prompt, and calls the tokens by the names below.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, processors

from workbench.files import write_json
from workbench.model.pretrained.reading import read_model_json
from workbench.special_tokens import SpecialTokens, named_end, named_id

GENERATION = "generation_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
_TOKENS_MAP = "special_tokens_map.json"
_CONFIG = "config.json"
# llama/tokenizer.py of LLaMA 1 to 3, in the order in which generation.py looks for them.
_META_BEGINNINGS = ("<|begin_of_text|>", "<s>")
_META_ENDS = ("<|end_of_text|>", "<|eot_id|>", "</s>")
# The same by vocabulary, for weights without a tokenizer.json: LLaMA 1 and 2, LLaMA 3.
_META_IDS = {32_000: (1, (2,)), 128_256: (128_000, (128_001, 128_009))}


def read_special_tokens(
    folder: Path, layout: str, vocabulary: int, tokenizer: Tokenizer | None
) -> SpecialTokens:
    """The tokens that the files in ``folder`` name, as far as they are ids below ``vocabulary``.

    ``tokenizer`` turns names into ids; without it only ids count. Raises ``UserError`` for a file that is
    no JSON.
    """
    files = {name: _optional(folder / name) for name in (GENERATION, _CONFIG, TOKENIZER_CONFIG, _TOKENS_MAP)}
    own_end = _named(files, "eos_token", tokenizer, vocabulary)
    first = _named(files, "bos_token", tokenizer, vocabulary)
    ends = _ids(files, "eos_token_id", vocabulary) or ([] if own_end is None else [own_end])
    put_first = None if tokenizer is None else token_put_first(tokenizer)
    if first is None:
        first = (
            put_first if put_first is not None else next(iter(_ids(files, "bos_token_id", vocabulary)), None)
        )
    adds = files[TOKENIZER_CONFIG].get("add_bos_token")
    if not isinstance(adds, bool):
        adds = put_first is not None or layout == "meta"
    if layout == "meta":
        meta_first, meta_ends = _of_meta(tokenizer, vocabulary)
        first = meta_first if first is None else first
        ends = ends or meta_ends
    if not ends and tokenizer is not None:
        named = named_end(tokenizer)
        ends = [] if named is None else [named]
    return SpecialTokens(
        beginning_of_text=first,
        adds_beginning=adds and first is not None,
        ends_of_text=tuple(ends),
        end_of_document=_separator(ends, own_end, tokenizer),
    )


def write_special_tokens(tokens: SpecialTokens, folder: Path, tokenizer: Path | None) -> dict[str, Any]:
    """Write what transformers reads of ``tokens`` beside the weights; returns the keys of ``config.json``.

    ``tokenizer`` is copied. It comes to put the beginning of text before a text if the model's did, and only
    then, where it was another file that said so.
    """
    ends = list(tokens.ends_of_text)
    ids = {
        "bos_token_id": tokens.beginning_of_text,
        "eos_token_id": ends[0] if len(ends) == 1 else ends or None,
    }
    write_json(folder / GENERATION, ids)
    if tokenizer is None:
        return ids
    model = Tokenizer.from_file(str(tokenizer))
    settings: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast"}
    named = {"bos_token": tokens.beginning_of_text, "eos_token": tokens.end_of_document}
    for key, token in named.items():
        if token is not None and model.id_to_token(token) is not None:
            settings[key] = model.id_to_token(token)
    if "bos_token" in settings:
        settings["add_bos_token"] = tokens.adds_beginning
    write_json(folder / TOKENIZER_CONFIG, settings)
    put_first = token_put_first(model)
    if put_first == (tokens.beginning_of_text if tokens.adds_beginning else None):
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
    else:
        model.post_processor = _template(settings.get("bos_token"), tokens)
        model.save(str(folder / "tokenizer.json"))
    return ids


def token_put_first(tokenizer: Tokenizer) -> int | None:
    """The id of the token that ``tokenizer`` puts before every text, None for none."""
    encoded = tokenizer.encode("a", add_special_tokens=True)
    marks = zip(encoded.ids, encoded.special_tokens_mask, encoded.attention_mask, strict=True)
    read = [(token, special) for token, special, attended in marks if attended]  # padding is not
    return read[0][0] if read and read[0][1] else None


def _optional(path: Path) -> dict[str, Any]:
    return read_model_json(path) if path.is_file() else {}


def _ids(files: dict[str, dict[str, Any]], key: str, vocabulary: int) -> list[int]:
    """The ids of the first configuration that has any of the model's."""
    for name in (GENERATION, _CONFIG):
        given = files[name].get(key)
        listed = given if isinstance(given, list) else [given]
        found = [one for one in listed if type(one) is int and 0 <= one < vocabulary]
        if found:
            return list(dict.fromkeys(found))
    return []


def _named(
    files: dict[str, dict[str, Any]], key: str, tokenizer: Tokenizer | None, vocabulary: int
) -> int | None:
    """The id of the token that the tokenizer's own files call ``key``."""
    if tokenizer is None:
        return None
    for name in (TOKENIZER_CONFIG, _TOKENS_MAP):
        given = files[name].get(key)
        text = given.get("content") if isinstance(given, dict) else given
        found = named_id(text, tokenizer) if isinstance(text, str) else None
        if found is not None and found < vocabulary:
            return found
    return None


def _of_meta(tokenizer: Tokenizer | None, vocabulary: int) -> tuple[int | None, list[int]]:
    if tokenizer is None:
        first, ends = _META_IDS.get(vocabulary, (None, ()))
        return first, list(ends)

    def known(names: tuple[str, ...]) -> Iterator[int]:
        ids = (tokenizer.token_to_id(name) for name in names)
        return (found for found in ids if found is not None and found < vocabulary)

    return next(known(_META_BEGINNINGS), None), list(known(_META_ENDS))


def _separator(ends: list[int], own_end: int | None, tokenizer: Tokenizer | None) -> int | None:
    """Which of the ends of a text separates documents."""
    if tokenizer is None:
        return next(iter(ends), None)
    added = tokenizer.get_added_tokens_decoder()
    for end in ends:
        if end in added or end == own_end:
            return end
    named = named_end(tokenizer)
    return named if named is not None else next(iter(ends), None)


def _template(first: str | None, tokens: SpecialTokens) -> processors.TemplateProcessing:
    if not tokens.adds_beginning or first is None:
        return processors.TemplateProcessing(single="$A", pair="$A $B:1", special_tokens=[])
    return processors.TemplateProcessing(
        single=f"{first} $A",
        pair=f"{first} $A {first}:1 $B:1",
        special_tokens=[(first, tokens.beginning_of_text)],
    )
