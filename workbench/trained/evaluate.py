"""``workbench evaluate``: a run's loss on validation text, its own or another."""

import json
import math
from typing import Any

import torch

from workbench.analysis.without_result import above_guess
from workbench.data.batches import TokenizedCorpus
from workbench.files import set_aside, write_json
from workbench.numbers import fixed
from workbench.progress import Progress
from workbench.records.index import is_published
from workbench.records.run import Phase, RunDirectory, RunRecord, now
from workbench.records.training_outcome import below_guess, uniform_loss
from workbench.study.warnings import unspelled_note
from workbench.trained.beginning_of_text import beginning_token
from workbench.training.evaluation import evaluate
from workbench.training.run_text import open_corpus, text_changed
from workbench.training.trained_decoder import load_decoder

EVALUATIONS = "evaluations.json"
LONGEST = 1024  # tokens of context of an imported model's evaluation where none is asked for


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
    record = directory.read()
    decoder = load_decoder(directory)
    training = record.config["training"]
    torch.set_num_threads(max(training["threads"], 1))
    text = open_corpus(directory, corpus, progress)
    beginning = beginning_token(directory, text.tokenizer, bos)
    longest = decoder.config.context
    if record.phase is Phase.IMPORT:
        longest = min(longest if beginning is None else longest - 1, LONGEST)
    settings = {
        "context": context or longest,
        "batch_size": batch_size or training["batch_size"],
        "max_tokens": tokens or training["evaluation_tokens"],
    }
    result = evaluate(decoder, text, **settings, beginning=beginning, progress=progress)
    changed = corpus is None and text_changed(record, text)
    notes = [*_notes(text, changed), *_above_guess(record, result["validation/loss"])]
    entry = {
        "time": now(),
        "corpus": text.describe()["description"],
        "fingerprint": text.fingerprint,
        "beginning_of_text": beginning,
        "context": settings["context"],
        "batch_size": settings["batch_size"],
        **result,
        "uniform_loss": uniform_loss(record.config),
        "text_changed": changed,
        "notes": notes,
    }
    first = (
        record.phase is Phase.IMPORT and (corpus, context, bos) == (None, None, None) and not record.summary
    )
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
    if record.phase is Phase.IMPORT:
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
