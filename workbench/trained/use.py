"""Using a trained or imported run: evaluate it, generate text with it, export it."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from workbench.analysis.fates import above_guess
from workbench.data.batches import TokenizedCorpus
from workbench.data.tokenizers import TOKENIZER, Tokenizer
from workbench.errors import UserError, suggestion
from workbench.files import set_aside, write_json
from workbench.model.decoder import Decoder
from workbench.model.generation import stream
from workbench.model.pretrained import write_checkpoint
from workbench.model.weights import plain_tensors
from workbench.numbers import fixed
from workbench.progress import Progress
from workbench.records.index import is_published
from workbench.records.run import RunDirectory, RunRecord, now
from workbench.records.training_outcome import below_guess, uniform_loss
from workbench.seeds import generator
from workbench.special_tokens import SpecialTokens
from workbench.study.warnings import unspelled_note
from workbench.trained.imports import PHASE
from workbench.training.evaluation import evaluate
from workbench.training.run_text import open_corpus, open_tokenizer, text_changed
from workbench.training.trained_decoder import load_run

EVALUATIONS = "evaluations.json"
LONGEST = 1024  # tokens of context of an imported model's evaluation unless told otherwise
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def evaluate_run(
    directory: RunDirectory,
    *,
    corpus: Any | None = None,
    context: int | None = None,
    tokens: int | None = None,
    batch_size: int | None = None,
    bos: bool | None = None,
    progress: Progress = lambda text, part: None,
) -> dict[str, Any]:
    """The run's validation loss on its own corpus, or another; kept in the run's ``evaluations.json``.

    What is published is left as it is. Left at None, everything is as when the run was trained, so that the
    result is the one in its record; where its corpus is another text now, ``text_changed`` and ``notes`` say
    so. An imported run's first evaluation on its default corpus becomes its summary. ``bos`` says whether
    each window is read after the token that begins a text, which is no target; None is as the model's own
    tokenizer does.
    """
    record, decoder = directory.read(), load_run(directory)
    training = record.config["training"]
    torch.set_num_threads(max(training["threads"], 1))
    text = open_corpus(directory, corpus, progress)
    beginning = _beginning(directory, text.tokenizer, bos)
    longest = decoder.config.context
    if record.phase == PHASE:
        longest = min(longest if beginning is None else longest - 1, LONGEST)
    settings = {
        "context": context or longest,
        "batch_size": batch_size or training["batch_size"],
        "max_tokens": tokens or training["evaluation_tokens"],
    }
    result = evaluate(decoder, text, **settings, beginning=beginning, progress=progress)
    told = {"time": now(), "corpus": text.describe()["description"], "fingerprint": text.fingerprint}
    told["beginning_of_text"] = beginning
    entry = told | {key: settings[key] for key in ("context", "batch_size")} | result
    changed = corpus is None and text_changed(record, text)
    notes = [*_notes(text, changed), *_above_guess(record, result["validation/loss"])]
    entry |= {"uniform_loss": uniform_loss(record.config), "text_changed": changed, "notes": notes}
    first = record.phase == PHASE and (corpus, context, bos) == (None, None, None) and not record.summary
    try:
        if not is_published(directory.path.parent.parent):
            _keep(directory, entry)
        if first:
            record.summary = {key: value for key, value in result.items() if key.startswith("validation/")}
            directory.write(record)
    except OSError as error:  # the number is there all the same
        entry["notes"].append(f"it could not be kept in {directory.path} ({error.strerror})")
    return entry


def _notes(text: TokenizedCorpus, changed: bool) -> list[str]:
    """What about the text a reader of the result should know."""
    notes = []
    if changed:
        notes.append(
            "data.corpus: the text is another one than the run was trained and judged on, so this is not the "
            "number in its record"
        )
    if text.unspelled:
        notes.append(unspelled_note(text.unspelled))
    return notes


def _above_guess(record: RunRecord, loss: float) -> list[str]:
    """What a loss that is not below a uniform guess may mean."""
    guess = uniform_loss(record.config)
    if guess is None or (math.isfinite(loss) and below_guess(loss, guess)):
        return []
    meaning = "it did not train, or the text is nothing like what it was trained on"
    if record.phase == PHASE:
        meaning = "is its tokenizer the one that it was trained with, and are its weights whole?"
    return [f"{above_guess(loss, guess)} over its {record.config['model']['vocabulary']:,} tokens: {meaning}"]


def _keep(directory: RunDirectory, entry: dict[str, Any]) -> None:
    path = directory.path / EVALUATIONS
    known = []
    if path.exists():
        try:
            known = [*json.loads(path.read_text(encoding="utf-8"))]
        except (ValueError, TypeError):
            set_aside(path)  # damaged: kept beside, so that neither it nor this evaluation is lost
    write_json(path, [*known, entry])


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
    decoder, tokenizer = load_run(directory), open_tokenizer(directory)
    beginning = _beginning(directory, tokenizer, bos)
    ends = tokenizer.special_tokens.ends_of_text
    prompted = tokenizer.encode(prompt)
    tokenizer.require_known(prompted, decoder.config.vocabulary, "prompt")
    ids = prompted.tolist()
    read = ids if beginning is None else [beginning, *ids]
    start = torch.tensor([read], dtype=torch.int64)  # (1, T)
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    draw = generator(seed, "generation")
    shown = len(tokenizer.decode(ids))
    continuation = stream(decoder, start, new_tokens=tokens, generator=draw, **options)
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


def _beginning(directory: RunDirectory, tokenizer: Tokenizer, wanted: bool | None) -> int | None:
    """The token to read a text after, None for none; ``UserError`` if one is wanted that is not known."""
    special = tokenizer.special_tokens
    if wanted is None:
        # A study trains on windows as they are, also where it starts from a model that was trained otherwise.
        wanted = special.adds_beginning and directory.read().phase == PHASE
    if not wanted:
        return None
    if special.beginning_of_text is None:
        raise UserError(f"bos: run {directory.run_id} has no token that begins a text; use --no-bos")
    return special.beginning_of_text


def export_run(directory: RunDirectory, path: Path, *, layout: str, dtype: str | None) -> None:
    """Write the run's model in the layout of Hugging Face or Meta, with its tokenizer where one is kept."""
    if dtype is not None and dtype not in DTYPES:
        raise UserError(f"dtype: unknown {dtype!r}; {suggestion(dtype, list(DTYPES))}")
    decoder, record = load_run(directory), directory.read()
    kind = DTYPES[dtype] if dtype else getattr(torch, record.provenance.get("dtype", "float32"))
    with TemporaryDirectory() as folder:
        file = Path(folder) / TOKENIZER
        if _keeps_tokenizer(record):
            open_tokenizer(directory).save(file.parent)
        write_checkpoint(
            decoder.config,
            plain_tensors(decoder),
            path,
            layout=layout,
            dtype=kind,
            tokenizer=file if file.exists() else None,
            special_tokens=_special_tokens(directory),
        )


def _keeps_tokenizer(record: RunRecord) -> bool:
    spec = record.config["data"]["tokenizer"]
    return isinstance(spec, dict) and "sha256" in spec


def _special_tokens(directory: RunDirectory) -> SpecialTokens:
    """What begins and ends the run's texts, as far as its record says: no corpus is opened for it."""
    data = directory.read().config["data"]
    if "special_tokens" in data:
        return SpecialTokens.from_dict(data["special_tokens"])
    spec = data["tokenizer"]
    if isinstance(spec, dict) and "bpe" in spec:
        end = spec["bpe"] - 1
        return SpecialTokens(ends_of_text=(end,), end_of_document=end)
    return SpecialTokens() if spec is None else open_tokenizer(directory).special_tokens


def render_evaluation(entry: dict[str, Any]) -> str:
    """An evaluation in words."""
    after = ""
    if entry["beginning_of_text"] is not None:
        after = f", each window read after the beginning of text (token {entry['beginning_of_text']})"
    return (
        f"validation/loss          {fixed(entry['validation/loss'], 4)} nats per token\n"
        f"validation/bits_per_byte {fixed(entry['validation/bits_per_byte'], 4)}\n"
        f"on {entry['tokens']:,} tokens of {entry['corpus']}, context {entry['context']}{after}"
    )
