"""Using a trained or imported run: evaluate it, generate text with it, export it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from workbench.data.batches import TokenizedCorpus
from workbench.data.tokenizers import TOKENIZER
from workbench.errors import UserError, suggestion
from workbench.model.generation import stream
from workbench.model.pretrained import write_checkpoint
from workbench.model.weights import plain_tensors
from workbench.records.files import write_json
from workbench.records.index import is_published
from workbench.records.run import RunDirectory, RunRecord, now
from workbench.seeds import generator
from workbench.study.imports import PHASE
from workbench.study.warnings import unspelled_note
from workbench.training.evaluation import evaluate
from workbench.training.run_text import open_corpus, open_tokenizer, text_changed
from workbench.training.weights import load_run

Progress = Callable[[str, float], None]
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
    progress: Progress = lambda text, part: None,
) -> dict[str, Any]:
    """The run's validation loss on its own corpus, or another; kept in the run's ``evaluations.json``.

    What is published is left as it is. Left at None, everything is as when the run was trained, so that the
    result is the one in its record; where its corpus is another text now, ``text_changed`` and ``notes`` say
    so. An imported run's first evaluation on its default corpus becomes its summary.
    """
    record, decoder = directory.read(), load_run(directory)
    training = record.config["training"]
    torch.set_num_threads(max(training["threads"], 1))
    text = open_corpus(directory, corpus, progress)
    longest = min(decoder.config.context, LONGEST) if record.phase == PHASE else decoder.config.context
    settings = {
        "context": context or longest,
        "batch_size": batch_size or training["batch_size"],
        "max_tokens": tokens or training["evaluation_tokens"],
    }
    result = evaluate(decoder, text, **settings, progress=progress)
    told = {"time": now(), "corpus": text.describe()["description"], "fingerprint": text.fingerprint}
    entry = told | {key: settings[key] for key in ("context", "batch_size")} | result
    changed = corpus is None and text_changed(record, text)
    entry |= {"text_changed": changed, "notes": _notes(text, changed)}
    if not is_published(directory.path.parent.parent):
        _keep(directory, entry)
    if record.phase == PHASE and corpus is None and context is None and not record.summary:
        record.summary = {key: value for key, value in result.items() if key.startswith("validation/")}
        directory.write(record)
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


def _keep(directory: RunDirectory, entry: dict[str, Any]) -> None:
    path = directory.path / EVALUATIONS
    known = json.loads(path.read_text()) if path.exists() else []
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
) -> Iterator[str]:
    """Yield the continuation of ``prompt`` piece by piece, as soon as whole characters are known."""
    decoder, tokenizer = load_run(directory), open_tokenizer(directory)
    prompted = tokenizer.encode(prompt)
    tokenizer.require_known(prompted, decoder.config.vocabulary, "prompt")
    start = torch.as_tensor(prompted.astype("int64"))[None]  # (1, T)
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    draw = generator(seed, "generation")
    ids, shown = start[0].tolist(), len(tokenizer.decode(start[0].tolist()))
    for token in stream(decoder, start, new_tokens=tokens, generator=draw, **options):
        if int(token) == tokenizer.end_of_document:
            return
        ids.append(int(token))
        text = tokenizer.decode(ids)
        if not text.endswith("\ufffd"):  # half a character: wait for the rest
            yield text[shown:]
            shown = len(text)


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
        )


def _keeps_tokenizer(record: RunRecord) -> bool:
    spec = record.config["data"]["tokenizer"]
    return isinstance(spec, dict) and "sha256" in spec


def render_evaluation(entry: dict[str, Any]) -> str:
    """An evaluation in words."""
    return (
        f"validation/loss          {entry['validation/loss']:.4f} nats per token\n"
        f"validation/bits_per_byte {entry['validation/bits_per_byte']:.4f}\n"
        f"on {entry['tokens']:,} tokens of {entry['corpus']}, context {entry['context']}"
    )
