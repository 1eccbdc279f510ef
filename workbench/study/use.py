"""Using a trained or imported run: evaluate it, generate text with it, export it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from workbench.data.batches import TokenizedCorpus, prepare
from workbench.data.cache import cache_directory
from workbench.data.tokenizers import Tokenizer, train_tokenizer
from workbench.errors import UserError, suggestion
from workbench.model.generation import stream
from workbench.model.pretrained import write_checkpoint
from workbench.model.weights import plain_tensors
from workbench.records.files import write_json
from workbench.records.index import is_published
from workbench.records.run import RunDirectory, now
from workbench.seeds import generator
from workbench.study.imports import PHASE
from workbench.training.evaluation import TOKENIZER, data_of, evaluate
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
    result is the one in its record. An imported run's first evaluation on its default corpus becomes its
    summary.
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
    if not is_published(directory.path.parent.parent):
        _keep(directory, entry)
    if record.phase == PHASE and corpus is None and context is None and not record.summary:
        record.summary = {key: value for key, value in result.items() if key.startswith("validation/")}
        directory.write(record)
    return entry


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
    """Yield the continuation of ``prompt`` piece by piece, as soon as whole characters are known.

    It ends after ``tokens`` tokens or where the model ends the document. The pieces together are the text of
    all tokens: what still waited for the rest of a character comes last.
    """
    decoder, tokenizer = load_run(directory), open_tokenizer(directory)
    start = torch.as_tensor(tokenizer.encode(prompt).astype("int64"))[None]  # (1, T)
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    draw = generator(seed, "generation")
    ids = start[0].tolist()
    text = tokenizer.decode(ids)
    shown = len(text)
    for token in stream(decoder, start, new_tokens=tokens, generator=draw, **options):
        if int(token) == tokenizer.end_of_document:
            break
        ids.append(int(token))
        text = tokenizer.decode(ids)
        if not text.endswith("\ufffd"):  # half a character: wait for the rest
            yield text[shown:]
            shown = len(text)
    if len(text) > shown:
        yield text[shown:]


def open_tokenizer(directory: RunDirectory) -> Tokenizer:
    """The run's tokenizer; one that was trained on the run's corpus is found with it."""
    spec = data_of(directory, directory.read())["tokenizer"]
    if spec == "bytes" or "file" in spec:
        return train_tokenizer(spec, [])
    return open_corpus(directory).tokenizer


def open_corpus(
    directory: RunDirectory, corpus: Any | None = None, progress: Progress = lambda text, part: None
) -> TokenizedCorpus:
    """The run's corpus, or ``corpus``, in the run's tokens."""
    data = data_of(directory, directory.read())
    return prepare(corpus or data["corpus"], data["tokenizer"], cache_directory(), progress=progress)


def export_run(directory: RunDirectory, path: Path, *, layout: str, dtype: str | None) -> None:
    """Write the run's model in the layout of Hugging Face or Meta, with its tokenizer if that is a file."""
    if dtype is not None and dtype not in DTYPES:
        raise UserError(f"dtype: unknown {dtype!r}; {suggestion(dtype, list(DTYPES))}")
    decoder = load_run(directory)
    kind = DTYPES[dtype] if dtype else getattr(torch, directory.read().provenance.get("dtype", "float32"))
    file = directory.path / TOKENIZER
    write_checkpoint(
        decoder.config,
        plain_tensors(decoder),
        path,
        layout=layout,
        dtype=kind,
        tokenizer=file if file.exists() else None,
    )


def render_evaluation(entry: dict[str, Any]) -> str:
    """An evaluation in words."""
    return (
        f"validation/loss          {entry['validation/loss']:.4f} nats per token\n"
        f"validation/bits_per_byte {entry['validation/bits_per_byte']:.4f}\n"
        f"on {entry['tokens']:,} tokens of {entry['corpus']}, context {entry['context']}"
    )
