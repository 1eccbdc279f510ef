"""Commands for single models: import, export, evaluate, generate."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.shared import RESULTS, AsJson, Commands, Out, RunName, count, progress_bar, show
from workbench.errors import UserError
from workbench.numbers import plural
from workbench.terminal import give, say
from workbench.user_numbers import LARGEST_SEED

Bos = Annotated[
    bool | None,
    typer.Option(
        "--bos/--no-bos",
        help="Read the text after the token that begins one, as LLaMA does. Default: as the model's own "
        "tokenizer does for an imported run, else not.",
    ),
]


class Target(StrEnum):
    """Whose tools an export is for, beside those that read models."""

    OPTUNA = "optuna"
    TENSORBOARD = "tensorboard"


class Layout(StrEnum):
    """How an exported model is laid out."""

    HUGGINGFACE = "huggingface"
    META = "meta"


def import_model(
    path: Annotated[Path, typer.Argument(help="A Hugging Face folder, or Meta's original layout.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call it. Default: the folder.")] = None,
    context: Annotated[
        int | None,
        typer.Option(
            "--context", parser=count(2), metavar="N", help="Context, which Meta's layout does not say."
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", help="A tokenizer.json, where the folder has none.")
    ] = None,
    eos: Annotated[
        list[str] | None,
        typer.Option(
            "--eos",
            help="A token, or its id, that ends a text; may be given several times, the first separates "
            "documents. Default: what the model's files say.",
        ),
    ] = None,
    out: Out = RESULTS,
) -> None:
    """Make a trained GPT-2, GPT-Neo, LLaMA, Mistral or Qwen 2 or 3 a run like any other."""
    from workbench.trained import imports

    run = imports.import_model(
        path, name=name, context=context, tokenizer=tokenizer, ends_of_text=eos, out=out
    )
    say(imports.describe_import(run))


def export_model(
    run: Annotated[str, typer.Argument(help="A run's id or study/variant/seed; with --to, a study.")],
    path: Annotated[
        Path | None, typer.Argument(help="A new folder to write a model, or curves, into.")
    ] = None,
    layout: Annotated[Layout, typer.Option("--layout", help="Whose layout.")] = Layout.HUGGINGFACE,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="fp32, bf16 or fp16. Default: as it came, or fp32.")
    ] = None,
    to: Annotated[
        Target | None,
        typer.Option(
            "--to", help="In place of a model: optuna, the trials of a study; tensorboard, its runs' curves."
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage", metavar="URL", help="With --to optuna: sqlite:///trials.db, or a journal's path."
        ),
    ] = None,
    out: Out = RESULTS,
) -> None:
    """Write a run's model for transformers or in Meta's layout; or a study for Optuna or TensorBoard."""
    if to is Target.OPTUNA:
        _export_trials(run, path, storage, out)
        return
    if storage is not None:
        raise UserError("--storage: is where trials go; write --to optuna, or leave it out")
    if to is Target.TENSORBOARD:
        _export_curves(run, path, out)
        return
    if path is None:
        raise UserError("path: give a new folder to write the model into, or --to optuna --storage URL")
    from workbench.records.find import find_run
    from workbench.trained.export import export_run

    export_run(find_run(out, run), path, layout=layout.value, dtype=dtype)
    say(f"written: {path}")


def _export_trials(study: str, path: Path | None, storage: str | None, out: Path) -> None:
    if path is not None:
        raise UserError(f"{path}: trials go into a storage; give it as --storage, without a folder")
    if storage is None:
        raise UserError("--storage: where to? Give for example --storage sqlite:///trials.db")
    from workbench.driver.optuna_export import export_trials
    from workbench.study.paths import find_results

    copied = export_trials(find_results(study, out), storage)
    for name, trials in copied.items():
        say(f"{name}: {plural(trials, 'trial')}")
    say(f"written: {storage}")


def _export_curves(study: str, path: Path | None, out: Path) -> None:
    if path is None:
        raise UserError("path: give a new folder to write the curves into")
    from workbench.study.paths import find_results
    from workbench.trained.tensorboard_export import export_curves

    with progress_bar() as progress:
        written = export_curves(find_results(study, out), path, progress)
    say(f"written: {path}: {plural(written, 'run')}")
    say(f"To see them: tensorboard --logdir {path}")


def evaluate(
    run: RunName,
    corpus: Annotated[
        str | None,
        typer.Option("--corpus", help="Another corpus: a name, a path, or a {key: value} as in a study."),
    ] = None,
    context: Annotated[
        int | None, typer.Option("--context", parser=count(2), metavar="N", help="Tokens per window.")
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(
            "--tokens",
            parser=count(1),
            metavar="N",
            help="Validation tokens at most (bytes of evaluation sets).",
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", parser=count(1), metavar="N")] = None,
    tasks: Annotated[
        Path | None,
        typer.Option(
            "--tasks",
            help="Multiple choice in place of text: JSON lines with context, choices and answer, the number "
            "of the right choice from 0.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="With --tasks: another run, or STUDY/VARIANT, to be paired with."),
    ] = None,
    bos: Bos = None,
    out: Out = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Loss of a run on validation text: its own by default, and then the number in its record.

    With --bos each window is read after the token that begins a text. That token is no target: the loss is
    over the same tokens with and without it.

    With --tasks the accuracy on multiple choice by log-likelihood, as it is, per byte and per token; of
    STUDY/VARIANT for every seed that confirms it, paired by seed with --against.
    """
    if tasks is not None:
        not_with = {"--corpus": corpus, "--context": context, "--tokens": tokens, "--batch-size": batch_size}
        _choices(run, tasks, against, not_with, bos, out, as_json)
        return
    if against is not None:
        raise UserError("--against: goes with --tasks; name a file of multiple choice, or leave it out")
    from workbench.records.find import find_run
    from workbench.study.overrides import corpus_spec
    from workbench.trained.evaluate import evaluate_run, render_evaluation

    text = None if corpus is None else corpus_spec(corpus)
    with progress_bar() as progress:
        found = evaluate_run(
            find_run(out, run),
            corpus=text,
            context=context,
            tokens=tokens,
            batch_size=batch_size,
            bos=bos,
            progress=progress,
        )
    for note in found["notes"]:
        _note(note)
    show(found, as_json, render_evaluation)


def _choices(
    run: str,
    tasks: Path,
    against: str | None,
    not_with: Mapping[str, object],
    bos: bool | None,
    out: Path,
    as_json: bool,
) -> None:
    from workbench.records.find import find_seeds
    from workbench.trained.choices import answer_questions, read_questions, render_choices, report_choices

    for option, value in not_with.items():
        if value is not None:
            raise UserError(
                f"{option}: is of texts, and --tasks names multiple choice; leave one of them out"
            )
    questions = read_questions(tasks)
    names = [run] if against is None else [run, against]
    found = [find_seeds(out, name) for name in names]
    with progress_bar() as progress:
        scores = [
            [answer_questions(one, tasks, questions, bos=bos, progress=progress) for one in runs]
            for runs in found
        ]
    show(report_choices(tasks, questions, *scores), as_json, render_choices)


def generate(
    run: RunName,
    prompt: Annotated[str, typer.Argument(help="The text to go on from.")],
    tokens: Annotated[
        int, typer.Option("--tokens", parser=count(1, 10**6), metavar="N", help="How many tokens.")
    ] = 100,
    temperature: Annotated[float, typer.Option("--temperature", help="0: the most probable token.")] = 0.8,
    top_k: Annotated[
        int | None,
        typer.Option("--top-k", parser=count(1), metavar="K", help="Among the k most probable tokens."),
    ] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="Among those that hold p of it all.")] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", parser=count(0, LARGEST_SEED), metavar="N", help="The same seed gives the same text."
        ),
    ] = 0,
    bos: Bos = None,
    out: Out = RESULTS,
) -> None:
    """Text from a run, token by token, until one that ends a text."""
    from workbench.records.find import find_run
    from workbench.trained.generate import generate_text

    pieces = generate_text(
        find_run(out, run),
        prompt,
        tokens=tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        bos=bos,
        note=_note,
    )
    first = next(pieces, "")  # whatever is refused is refused before anything is printed
    give(prompt + first, end="")
    try:
        for piece in pieces:
            give(piece, end="")
    finally:
        give("")  # an error has a line of its own


def _note(text: str) -> None:
    say(f"note: {text}", stderr=True)


MODEL_COMMANDS: Commands = {
    "import": import_model,
    "export": export_model,
    "evaluate": evaluate,
    "generate": generate,
}
