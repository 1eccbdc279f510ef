"""``workbench evaluate --tasks``: multiple choice, scored by log-likelihood as zero-shot evaluations are.

A choice's score is the log-probability of its tokens after the context; the best one is the answer. As in
EleutherAI's lm-evaluation-harness (Gao et al., zenodo.org/records/10256836): context and choice are joined by
one blank and encoded together, what is too long loses its beginning, and accuracy is given of the sums
(``acc``) and of the sums over the length of the choice's text (``acc_norm``). The harness counts that in
characters, here it is in bytes of UTF-8, which for ASCII is the same; and once more over the choice's tokens.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional as F

from workbench.analysis.statistics import Interval, mean_interval
from workbench.data.split import utf8_bytes
from workbench.data.tokenizers import Tokenizer
from workbench.errors import UserError, in_one_line
from workbench.model.decoder import Decoder
from workbench.numbers import fixed, plural
from workbench.progress import Progress
from workbench.records.index import is_published
from workbench.records.run import RunDirectory, now
from workbench.trained.beginning_of_text import beginning_token
from workbench.trained.evaluate import keep_evaluation
from workbench.training.run_text import open_tokenizer
from workbench.training.trained_decoder import load_decoder
from workbench.user_input import read_as

# How a choice's log-probability is normalised, by the metric's name: what is divided by.
BY_SUM, BY_BYTE, BY_TOKEN = "accuracy", "accuracy_per_byte", "accuracy_per_token"
METRICS = (BY_SUM, BY_BYTE, BY_TOKEN)
_CALLED = {BY_SUM: "by the sum (acc)", BY_BYTE: "per byte (acc_norm)", BY_TOKEN: "per token"}
_EXAMPLE = '{"context": "…", "choices": ["…", "…"], "answer": 0}'
_SHOWN = 40  # letters of a choice in an error
_Choice = Annotated[str, Field(min_length=1)]


class Question(BaseModel):
    """A line of a file of tasks."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    context: str
    choices: list[_Choice] = Field(min_length=2)
    answer: int = Field(ge=0)
    delimiter: str = " "


@dataclass(frozen=True, kw_only=True)
class ScoredChoice:
    """Log-probability of a choice in nats, and what it is divided by."""

    log_likelihood: float
    bytes: int
    tokens: int


@dataclass(frozen=True, kw_only=True)
class RunScores:
    """What one run answers: whether each question is right, by metric."""

    run: RunDirectory
    variant: str
    seed: int
    right: dict[str, list[bool]]

    def accuracy(self, metric: str) -> float:
        """The share of right answers."""
        return mean(self.right[metric])


def read_questions(path: Path) -> list[Question]:
    """The questions of a file of JSON lines; raises ``UserError`` naming the line and the remedy."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(
            f"--tasks: {path} cannot be read ({error.strerror}); give a file of JSON lines"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"--tasks: {path} is not UTF-8 text; save it as UTF-8") from error
    questions = [_question(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not questions:
        raise UserError(f"--tasks: {path} has no question; a line is {_EXAMPLE}")
    return questions


def _question(line: str, place: str) -> Question:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise UserError(
            f"{place}: is no JSON ({in_one_line(error)}); write one object on each line"
        ) from None
    if not isinstance(values, dict):
        raise UserError(f"{place}: is no object; write {_EXAMPLE}")
    question = read_as(Question, values, file=place)
    if question.answer >= len(question.choices):
        raise UserError(
            f"{place}: answer: {question.answer} is beyond the {len(question.choices)} choices, which are "
            f"numbered from 0; give {len(question.choices) - 1} or less"
        )
    return question


@torch.no_grad()
def score_question(
    decoder: Decoder, tokenizer: Tokenizer, question: Question, beginning: int | None, place: str
) -> list[ScoredChoice]:
    """Each choice of ``question``; ``place`` is what an error begins with.

    The context is read after the token ``beginning``, where there is one. Raises ``UserError`` for a context
    without any token, where nothing begins a text, and for a choice without one.
    """
    limit = decoder.positions.limit or decoder.config.context
    rows, sizes = [], []
    for choice in question.choices:
        context, own = _encoded(tokenizer, question, choice)
        tokenizer.require_known(torch.tensor([*context, *own]).numpy(), decoder.config.vocabulary, place)
        if not own:
            raise UserError(
                f"{place}: choices: {choice!r} has no token of this tokenizer; write another text"
            )
        if beginning is not None:
            context = [beginning, *context]
        if not context:
            context = [_before_a_text(tokenizer, place)]
        if len(own) > limit:
            raise UserError(
                f"{place}: choices: {choice[:_SHOWN]!r} has {len(own)} tokens and the model reads {limit}; "
                "shorten it"
            )
        # The last token is a target only: one more than the limit fits.
        rows.append([*context, *own][-(limit + 1) :])
        sizes.append(len(own))
    longest = max(map(len, rows)) - 1
    inputs = torch.zeros(len(rows), longest, dtype=torch.int64)  # (C, T): what stands behind is not looked at
    for number, row in enumerate(rows):
        inputs[number, : len(row) - 1] = torch.tensor(row[:-1])
    logits = decoder(inputs.to(decoder.device)).float()  # (C, T, V)
    found = []
    for number, (row, size, choice) in enumerate(zip(rows, sizes, question.choices, strict=True)):
        own_logits = logits[number, len(row) - 1 - size : len(row) - 1]  # (N, V)
        nats = F.cross_entropy(own_logits, torch.tensor(row[-size:], device=logits.device), reduction="sum")
        found.append(ScoredChoice(log_likelihood=-float(nats), bytes=utf8_bytes(choice), tokens=size))
    return found


def chosen(scored: Sequence[ScoredChoice]) -> dict[str, int]:
    """The best choice by each metric; of equal ones the first."""
    divided = {
        BY_SUM: [one.log_likelihood for one in scored],
        BY_BYTE: [one.log_likelihood / one.bytes for one in scored],
        BY_TOKEN: [one.log_likelihood / one.tokens for one in scored],
    }
    return {metric: values.index(max(values)) for metric, values in divided.items()}


def answer_questions(
    directory: RunDirectory,
    path: Path,
    questions: Sequence[Question],
    *,
    bos: bool | None = None,
    progress: Progress = lambda text, part: None,
) -> RunScores:
    """What the run answers; kept in its ``evaluations.json``, but for what is published."""
    record = directory.read()
    decoder = load_decoder(directory)
    torch.set_num_threads(max(record.config["training"]["threads"], 1))
    tokenizer = open_tokenizer(directory)
    beginning = beginning_token(directory, tokenizer, bos)
    right: dict[str, list[bool]] = {metric: [] for metric in METRICS}
    for number, question in enumerate(questions, 1):
        scored = score_question(
            decoder, tokenizer, question, beginning, f"--tasks: {path}, question {number}"
        )
        if not all(math.isfinite(one.log_likelihood) for one in scored):
            raise UserError(f"run {record.run_id}: its logits are no numbers; choose another run")
        for metric, choice in chosen(scored).items():
            right[metric].append(choice == question.answer)
        progress("answering", number / len(questions))
    scores = RunScores(run=directory, variant=record.variant, seed=record.seed, right=right)
    if not is_published(directory.path.parent.parent):
        keep_evaluation(
            directory,
            {
                "time": now(),
                "tasks": path.name,
                "sha256": sha256(path.read_bytes()).hexdigest(),
                "questions": len(questions),
                "beginning_of_text": beginning,
                **{metric: scores.accuracy(metric) for metric in METRICS},
            },
        )
    return scores


def report_choices(
    path: Path, questions: Sequence[Question], runs: Sequence[RunScores], against: Sequence[RunScores] = ()
) -> dict[str, Any]:
    """What the runs of one variant answer, and, paired with those of another, by how much more is right.

    Pairs are of equal seeds. A single pair, such as two imported models, is paired question by question
    instead: its interval is over the questions, and says nothing of another training.
    """
    facts: dict[str, Any] = {
        "tasks": str(path),
        "questions": len(questions),
        "chance": mean(1 / len(question.choices) for question in questions),
        "runs": [_run_facts(one) for one in runs],
        "means": {metric: mean(one.accuracy(metric) for one in runs) for metric in METRICS},
    }
    if against:
        facts["against"] = [_run_facts(one) for one in against]
        facts["difference"] = _differences(runs, against)
    return facts


def _run_facts(one: RunScores) -> dict[str, Any]:
    own = {metric: one.accuracy(metric) for metric in METRICS}
    return {"run": one.run.run_id, "variant": one.variant, "seed": one.seed, **own}


def _differences(runs: Sequence[RunScores], against: Sequence[RunScores]) -> dict[str, Any]:
    """The mean difference of each metric over pairs, its 95 % interval, and what a pair is."""
    if len(runs) == len(against) == 1:
        unit = "questions"
        pairs = [(runs[0], against[0])]
    else:
        unit = "seeds"
        other = {one.seed: one for one in against}
        pairs = [(one, other[one.seed]) for one in runs if one.seed in other]
        if not pairs:
            raise UserError(
                "--against: no seed is among the runs of both; give runs of one study, or two single runs"
            )
    metrics = {}
    for metric in METRICS:
        if unit == "seeds":
            values = [mine.accuracy(metric) - theirs.accuracy(metric) for mine, theirs in pairs]
        else:
            (mine, theirs) = pairs[0]
            both = zip(mine.right[metric], theirs.right[metric], strict=True)
            values = [float(a) - float(b) for a, b in both]
        interval = mean_interval(values)
        metrics[metric] = {"mean": mean(values), "interval": _ends(interval)}
    return {"over": unit, "pairs": len(values), **metrics}


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def render_choices(facts: dict[str, Any]) -> str:
    """The same in words."""
    lines = [
        f"{plural(facts['questions'], 'question')} of {facts['tasks']}, chance {fixed(facts['chance'], 3)}"
    ]
    for key in ("runs", "against"):
        for one in facts.get(key, []):
            shown = ", ".join(f"{_CALLED[metric]} {fixed(one[metric], 3)}" for metric in METRICS)
            lines.append(f"{one['variant']}, seed {one['seed']} ({one['run']}): {shown}")
    if len(facts["runs"]) > 1:
        shown = ", ".join(f"{_CALLED[metric]} {fixed(facts['means'][metric], 3)}" for metric in METRICS)
        lines.append(f"mean of {len(facts['runs'])} seeds: {shown}")
    if "difference" in facts:
        lines += _rendered_difference(facts["difference"])
    return "\n".join(lines)


def _rendered_difference(difference: dict[str, Any]) -> list[str]:
    what = f"{difference['pairs']} {difference['over']}"
    lines = []
    for metric in METRICS:
        own = difference[metric]
        text = f"difference {_CALLED[metric]}: {fixed(own['mean'], 3, sign=True)}"
        if own["interval"] is not None:
            low, high = (fixed(end, 3, sign=True) for end in own["interval"])
            text += f" [{low}, {high}] (95 %, t over {what})"
        lines.append(text)
    if difference["over"] == "questions":
        lines.append("over questions: of one run each, which says nothing of another training")
    return lines


def _encoded(tokenizer: Tokenizer, question: Question, choice: str) -> tuple[list[int], list[int]]:
    """The tokens of the context, and those that the choice adds to it.

    As in the harness white space at the context's end goes with the choice, and both are encoded together.
    """
    context = question.context.rstrip()
    ending = question.context[len(context) :] + question.delimiter + choice
    before = tokenizer.encode(context).tolist()
    whole = tokenizer.encode(context + ending).tolist()
    return before, whole[len(before) :]


def _before_a_text(tokenizer: Tokenizer, place: str) -> int:
    """What the first token of a text is predicted after: what begins one, or what ends the one before."""
    special = tokenizer.special_tokens
    for token in (special.beginning_of_text, tokenizer.end_of_document):
        if token is not None:
            return token
    raise UserError(
        f"{place}: context: is empty, and this tokenizer has no token that begins a text; give a context"
    )
