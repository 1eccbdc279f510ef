"""``workbench evaluate``: a run's loss on validation text, its own or another."""

import json
import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from workbench.analysis.without_result import above_guess
from workbench.data.batches import EvaluationBatches
from workbench.data.cache import cache_directory
from workbench.data.evaluation_text import EvaluationText, evaluation_text
from workbench.data.task_batches import JudgingBatches, judging_batches
from workbench.data.tasks.registry import called
from workbench.data.tokenizers import Tokenizer
from workbench.files import set_aside, write_json
from workbench.numbers import fixed
from workbench.progress import Progress
from workbench.records.index import is_published
from workbench.records.run import Phase, RunDirectory, RunRecord, now
from workbench.records.training_outcome import below_guess, uniform_loss
from workbench.study.warnings import unspelled_note
from workbench.trained.beginning_of_text import beginning_token
from workbench.training.evaluation import evaluate
from workbench.training.run_text import open_corpus, open_evaluation_text, open_tokenizer, text_changed
from workbench.training.trained_decoder import load_decoder
from workbench.training.validation import VALIDATION

EVALUATIONS = "evaluations.json"
LONGEST = 1024  # tokens of context of an imported model's evaluation where none is asked for


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """A text to evaluate on. ``key`` is where it stands in a study, ``changed`` whether it was another."""

    key: str
    batches: JudgingBatches
    description: str
    fingerprint: str
    changed: bool
    unspelled: float


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
    """The run's validation loss on its own text, or a corpus; kept in the run's ``evaluations.json``.

    What is published is left as it is. Left at None, everything is as when the run was trained, so that the
    result is the one in its record; where its text is another one now, ``text_changed`` and ``notes`` say so.
    A run whose study names evaluation sets is evaluated on each, and ``evaluation`` lists them; ``tokens``
    are then the bytes of each, at most, as in its study. A generated task as the ``corpus`` is read as ids.
    An imported run's first evaluation on its default corpus becomes its summary. ``bos`` says whether each
    window is read after the token that begins a text, which is no target; None is as the model's own
    tokenizer does.
    """
    record = directory.read()
    decoder = load_decoder(directory)
    training = record.config["training"]
    torch.set_num_threads(max(training["threads"], 1))
    tokenizer = open_tokenizer(directory)
    beginning = beginning_token(directory, tokenizer, bos)
    longest = decoder.config.context
    if record.phase is Phase.IMPORT:
        longest = min(longest if beginning is None else longest - 1, LONGEST)
    settings = {
        "context": context or longest,
        "batch_size": batch_size or training["batch_size"],
        "max_tokens": tokens or training["evaluation_tokens"],
    }
    named = corpus is None and "evaluation" in record.config["data"]
    task = called(corpus)
    if named:
        sets = _named_sets(record, tokenizer, settings, tokens, progress)
    elif task is not None and corpus is not None:
        text = evaluation_text(corpus, settings["max_tokens"], cache_directory(), progress, "--corpus")
        sets = {task: _judged("--corpus", text, tokenizer, settings)}
    else:
        sets = {VALIDATION: _split_of(directory, record, corpus, settings, progress)}
    by_name = {name: one.batches for name, one in sets.items()}
    result = evaluate(decoder, by_name, beginning=beginning, progress=progress)
    first_set = next(iter(sets.values()))
    notes = [*_notes(sets), *_above_guess(record, result["validation/loss"])]
    entry: dict[str, Any] = {
        "time": now(),
        "corpus": first_set.description,
        "fingerprint": first_set.fingerprint,
        "beginning_of_text": beginning,
        "context": settings["context"],
        "batch_size": settings["batch_size"],
        **result,
        "uniform_loss": uniform_loss(record.config),
        "text_changed": any(one.changed for one in sets.values()),
        "notes": notes,
    }
    if named or task is not None:
        entry["evaluation"] = [_facts(name, one) for name, one in sets.items()]
    first = (
        record.phase is Phase.IMPORT and (corpus, context, bos) == (None, None, None) and not record.summary
    )
    try:
        if not is_published(directory.path.parent.parent):
            keep_evaluation(directory, entry)
        if first:
            record.summary = {key: value for key, value in result.items() if key.startswith("validation/")}
            directory.write(record)
    except OSError as error:  # the number is there all the same
        entry["notes"].append(f"it could not be kept in {directory.path} ({error.strerror})")
    return entry


def _split_of(
    directory: RunDirectory,
    record: RunRecord,
    corpus: Any | None,
    settings: dict[str, Any],
    progress: Progress,
) -> _Judged:
    """The validation split of the run's own corpus, or of ``corpus``."""
    text = open_corpus(directory, corpus, progress)
    return _Judged(
        key="data.corpus",
        batches=EvaluationBatches(text, **settings),
        description=text.describe()["description"],
        fingerprint=text.fingerprint,
        changed=corpus is None and text_changed(record, text),
        unspelled=text.unspelled,
    )


def _named_sets(
    record: RunRecord,
    tokenizer: Tokenizer,
    settings: dict[str, Any],
    max_bytes: int | None,
    progress: Progress,
) -> dict[str, _Judged]:
    """The evaluation sets of the run's study, as they are now, of ``max_bytes`` each where that is given."""
    sets = {}
    for own in record.config["data"]["evaluation"]:
        as_trained = open_evaluation_text(record, own, progress=progress)
        text = open_evaluation_text(record, own, max_bytes, progress)
        key = f"data.evaluation.{own['name']}"
        judged = _judged(key, text, tokenizer, settings)
        sets[own["name"]] = replace(judged, changed=as_trained.fingerprint != own["fingerprint"])
    return sets


def _judged(key: str, text: EvaluationText, tokenizer: Tokenizer, settings: dict[str, Any]) -> _Judged:
    """A text as it is; whether it was another one when the run was trained is not known here."""
    batches = judging_batches(text, tokenizer, settings["context"], settings["batch_size"])
    return _Judged(
        key=key,
        batches=batches,
        description=text.description,
        fingerprint=text.fingerprint,
        changed=False,
        unspelled=batches.unspelled,
    )


def _facts(name: str, one: _Judged) -> dict[str, Any]:
    return {
        "name": name,
        "description": one.description,
        "fingerprint": one.fingerprint,
        "bytes": one.batches.bytes,
        "tokens": one.batches.tokens,
        "text_changed": one.changed,
    }


def _notes(sets: dict[str, _Judged]) -> list[str]:
    """What about the texts a reader of the result should know."""
    notes = []
    for one in sets.values():
        if one.changed:
            notes.append(
                f"{one.key}: the text is another one than the run was trained and judged on, so this is not "
                "the number in its record"
            )
    unspelled = max(one.unspelled for one in sets.values())
    if unspelled:
        notes.append(unspelled_note(unspelled))
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


def keep_evaluation(directory: RunDirectory, entry: dict[str, Any]) -> None:
    """Add an entry to the run's ``evaluations.json``; raises ``OSError`` where that cannot be written."""
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
    sets = entry.get("evaluation", [])
    lines = [
        f"validation/loss          {fixed(entry['validation/loss'], 4)} nats per token",
        *_shown(entry, ["validation/bits_per_byte"]),
        *_shown(entry, _of_a_task(sets[0]) if sets else []),
        f"on {entry['tokens']:,} tokens of {entry['corpus']}, context {entry['context']}{after}",
    ]
    for other in sets[1:]:
        lines += [
            *_shown(entry, [f"{other['name']}/bits_per_byte", *_of_a_task(other)]),
            f"on {other['tokens']:,} tokens of {other['description']}",
        ]
    return "\n".join(lines)


def _of_a_task(one: dict[str, Any]) -> list[str]:
    return [f"{one['name']}/accuracy", f"{one['name']}/exact_match"]


def _shown(entry: dict[str, Any], metrics: list[str]) -> list[str]:
    """A line for each of the metrics that an evaluation has."""
    return [f"{metric:<24} {fixed(entry[metric], 4)}" for metric in metrics if metric in entry]
