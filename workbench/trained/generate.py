"""``workbench generate``: text from a run, piece by piece."""

from collections.abc import Callable, Iterator

import torch

from workbench.errors import UserError
from workbench.model.decoder import Decoder
from workbench.model.generation import stream
from workbench.records.run import RunDirectory
from workbench.seeds import generator
from workbench.trained.beginning_of_text import beginning_token
from workbench.training.run_text import open_tokenizer
from workbench.training.trained_decoder import load_decoder


def generate_text(
    directory: RunDirectory,
    prompt: str,
    *,
    tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
    bos: bool | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[str]:
    """Yield the continuation of ``prompt`` piece by piece, as soon as whole characters are known.

    It ends after ``tokens`` tokens, or at any token that ends a text, which is not shown. The pieces together
    are the text of all tokens: what still waited for the rest of a character comes last. ``bos`` says whether
    the prompt is read after the token that begins a text; None is as the model's own tokenizer does. ``note``
    hears, before the first piece, what becomes of a text that is longer than the model's context.
    """
    prompt = _as_text(prompt)
    decoder = load_decoder(directory)
    tokenizer = open_tokenizer(directory)
    beginning = beginning_token(directory, tokenizer, bos)
    ends = tokenizer.special_tokens.ends_of_text
    prompted = tokenizer.encode(prompt)
    tokenizer.require_known(prompted, decoder.config.vocabulary, "prompt")
    ids = prompted.tolist()
    read = ids if beginning is None else [beginning, *ids]
    start = torch.tensor([read], dtype=torch.int64)  # (1, T)
    continuation = stream(
        decoder,
        start,
        new_tokens=tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        generator=generator(seed, "generation"),
    )
    shown = len(tokenizer.decode(ids))
    for number, token in enumerate(continuation):
        if number == 0 and len(read) + tokens - 1 > _longest(decoder):
            note(_beyond_context(decoder))
        if int(token) in ends:
            break
        ids.append(int(token))
        settled = tokenizer.settled(ids)
        if len(settled) > shown:
            yield settled[shown:]
            shown = len(settled)
    text = tokenizer.decode(ids)
    if len(text) > shown:
        yield text[shown:]


def _as_text(prompt: str) -> str:
    """An argument as text: what the locale could not decode Python keeps as it is, and may be UTF-8."""
    try:
        return prompt.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        raise UserError(f"prompt: '{prompt}' is not UTF-8 text; write it as UTF-8") from None


def _longest(decoder: Decoder) -> int:
    """How many tokens it reads at positions that it was trained on."""
    limit = decoder.positions.limit
    return decoder.config.context if limit is None else limit


def _beyond_context(decoder: Decoder) -> str:
    """What generation does where a text becomes longer than that."""
    context = f"beyond its context of {_longest(decoder):,} tokens the model goes on from"
    if decoder.positions.limit is not None:
        return f"{context} the last {_longest(decoder):,}: its table of positions ends there"
    code = decoder.config.positions.label
    return f"{context} all that it has seen, at positions ({code}) that it was not trained on"
