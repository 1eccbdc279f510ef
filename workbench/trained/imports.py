"""``workbench import``: a model from elsewhere becomes a run like any other, in the study ``imported``."""

import re
import shlex
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import tokenizers
from filelock import FileLock
from safetensors.torch import save_file

from workbench.data.tokenizers import TOKENIZER, FileTokenizer, file_spec
from workbench.errors import UserError, printable
from workbench.files import file_sha256, put_folder_in_place
from workbench.model.config import ModelConfig
from workbench.model.pretrained import Checkpoint, read_checkpoint
from workbench.model.pretrained.special_tokens import read_special_tokens
from workbench.records.hyperparameters import LEARNING_RATE, Hyperparameters
from workbench.records.manifest import Budget, Manifest, ManifestVariant, PlannedSeeds
from workbench.records.provenance import git_state, versions
from workbench.records.run import (
    WEIGHTS,
    Phase,
    Provenance,
    RunConfig,
    RunDirectory,
    RunRecord,
    State,
    config_hash,
    now,
    run_id,
)
from workbench.special_tokens import SpecialTokens, token_id
from workbench.study.plan import signed
from workbench.training.config import TrainingConfig

STUDY = "imported"
CORPUS = "python-stdlib"  # what an imported model is evaluated on where no other corpus is asked for
_BATCH_SIZE = 8
_UNTUNED: Hyperparameters = {LEARNING_RATE: 0.0}  # it was trained elsewhere


def import_model(
    path: Path,
    *,
    name: str | None,
    context: int | None,
    tokenizer: Path | None,
    out: Path,
    ends_of_text: list[str] | None = None,
) -> RunDirectory:
    """Read the model in the folder ``path`` and write it as a run; the same model twice is the same run.

    ``name`` is the folder's by default. ``tokenizer`` is a ``tokenizer.json`` where the folder has none.
    ``ends_of_text`` are tokens, or their ids, that end a text; the first separates documents. By default what
    the folder's files say (see ``workbench.model.pretrained.special_tokens``). Raises ``UserError`` for a
    folder that holds no model, for a name that another model has, and for tokens that there are not.
    """
    checkpoint = read_checkpoint(path, context=context)
    name = _name(name, path)
    study = Path(out) / STUDY
    (study / "runs").mkdir(parents=True, exist_ok=True)
    with FileLock(study / ".lock"):
        # Built beside its place and renamed: a broken-off import leaves nothing that looks like a run.
        partial = Path(tempfile.mkdtemp(prefix=".import-", dir=study / "runs"))
        try:
            directory = _write(checkpoint, Path(path), name, tokenizer, ends_of_text, partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        _manifest(study).write(study)
    return directory


def _name(name: str | None, path: Path) -> str:
    found = name or Path(path).resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}", found):
        raise UserError(f"name: {found!r} is no name for a model; give one of letters and digits with --name")
    return found


def _write(
    checkpoint: Checkpoint,
    source: Path,
    name: str,
    tokenizer: Path | None,
    ends_of_text: list[str] | None,
    partial: Path,
) -> RunDirectory:
    contiguous = {key: tensor.contiguous() for key, tensor in checkpoint.tensors.items()}
    save_file(contiguous, partial / WEIGHTS)
    spec = _tokenizer(checkpoint, source, tokenizer, partial)
    special = _special_tokens(checkpoint, source, ends_of_text, partial / TOKENIZER)
    record = _record(checkpoint, source, name, _config(checkpoint, spec, special, partial / WEIGHTS))
    target = RunDirectory(partial.parent / record.run_id)
    _refuse_other(partial.parent, record)
    if not target.exists():
        complete = partial / record.run_id
        complete.mkdir()
        for file in [item for item in partial.iterdir() if item.is_file()]:
            file.rename(complete / file.name)  # within what nobody looks at yet
        RunDirectory(complete).write(record)
        put_folder_in_place(complete, target.path)
    return target


def _tokenizer(
    checkpoint: Checkpoint, source: Path, given: Path | None, folder: Path
) -> dict[str, str] | None:
    """Put the model's tokenizer into ``folder``; None where there is none to be found."""
    place = folder / TOKENIZER
    if given is not None or checkpoint.tokenizer is not None:
        origin = Path(file_spec({"file": given or checkpoint.tokenizer})["file"])
        FileTokenizer(origin, {})  # refuses what is no tokenizer, by the name that the user knows
        shutil.copyfile(origin, place)
    elif (source / "vocab.json").is_file() and (source / "merges.txt").is_file():
        model = tokenizers.ByteLevelBPETokenizer(str(source / "vocab.json"), str(source / "merges.txt"))
        model.save(str(place))
    else:
        return None
    spec = file_spec({"file": place})
    FileTokenizer(place, spec)  # refuses what is no tokenizer before anything is kept
    return {"file": TOKENIZER, "sha256": spec["sha256"]}


def _special_tokens(
    checkpoint: Checkpoint, source: Path, ends_of_text: list[str] | None, tokenizer: Path
) -> SpecialTokens:
    """What begins and ends a text of the model: what its files say, the ends unless they are given."""
    model = tokenizers.Tokenizer.from_file(str(tokenizer)) if tokenizer.exists() else None
    vocabulary = checkpoint.config.vocabulary
    found = read_special_tokens(source, checkpoint.layout, vocabulary, model)
    if not ends_of_text:
        return found
    # A number is an id: vocabularies have pieces for digits, which end no text.
    given = [int(end) if re.fullmatch(r"[0-9]{1,9}", end) else end for end in ends_of_text]
    ends = tuple(token_id(end, model, "eos") for end in given)
    for end in ends:
        if end >= vocabulary:
            raise UserError(f"eos: {end} is no token of the model, which has {vocabulary}; give another")
    return replace(found, ends_of_text=ends, end_of_document=ends[0])


def _config(
    checkpoint: Checkpoint, tokenizer: dict[str, str] | None, special: SpecialTokens, weights: Path
) -> RunConfig:
    training = TrainingConfig(tokens=1, batch_size=_BATCH_SIZE).resolve("cpu").model_dump(mode="json")
    return {
        "model": checkpoint.config.to_dict(),
        "data": {
            "corpus": CORPUS,
            "tokenizer": tokenizer,
            "special_tokens": special.to_dict(),
            "fingerprint": None,
        },
        "training": training | {"tokens": 0, "device": "cpu"},
        "weights": file_sha256(weights),
    }


def _record(checkpoint: Checkpoint, source: Path, name: str, config: RunConfig) -> RunRecord:
    model = checkpoint.config
    moment = now()
    provenance = {
        "source": printable(str(source.resolve())),
        "layout": checkpoint.layout,
        "dtype": str(checkpoint.dtype).removeprefix("torch."),
        "versions": versions(),
        **git_state(),
    }
    return RunRecord(
        run_id=run_id(config, Phase.IMPORT, _UNTUNED, 0),
        study=STUDY,
        variant=name,
        phase=Phase.IMPORT,
        seed=0,
        hyperparameters=_UNTUNED,
        config=config,
        state=State.COMPLETE,
        cost={"parameters": model.num_parameters(), "flops_per_token": model.flops_per_token()},
        progress={"step": 0, "steps": 0},
        provenance=cast(Provenance, provenance),  # mypy knows no TypedDict with more keys
        created=moment,
        started=moment,
        finished=moment,
    )


def _records(runs: Path) -> list[RunRecord]:
    found = sorted(path.parent for path in runs.glob("*/run.json") if not path.parent.name.startswith("."))
    return [RunDirectory(path).read() for path in found]


def _refuse_other(runs: Path, record: RunRecord) -> None:
    for known in _records(runs):
        if known.run_id == record.run_id and known.variant != record.variant:
            raise UserError(f"name: this model is imported already as {known.variant!r} (run {known.run_id})")
        if known.variant == record.variant and known.run_id != record.run_id:
            other = "another model"
            if known.config["weights"] == record.config["weights"]:
                other = "this model with another tokenizer, or other ends of text,"
            raise UserError(
                f"name: {record.variant!r} is {other} already (run {known.run_id}); give a new --name, or "
                f"delete {runs / known.run_id}"
            )


def _manifest(study: Path) -> Manifest:
    """The study ``imported``, as far as a study without comparisons has a manifest."""
    records = _records(study / "runs")
    training = {"tokens": 0, "steps": 0, "device": "cpu"}
    promise = Manifest(
        name=STUDY,
        question="Models that were trained elsewhere",
        design=str(Phase.IMPORT),
        match="none",
        metric="validation/loss",
        margin=0.01,
        factors={},
        baseline=records[0].variant,
        variants=[_variant(record) for record in records],
        learning_rates=[],
        grid_growth=0,
        seeds=PlannedSeeds(pilot=[], tune=[], confirm=[]),
        phases=[],
        context=max(record.config["model"]["context"] for record in records),
        training=cast(Budget, training),  # mypy knows no TypedDict with more keys
        data={"corpus": CORPUS, "description": f"evaluated on {CORPUS} unless told otherwise"},
    )
    return signed(promise)


def _variant(record: RunRecord) -> ManifestVariant:
    model = ModelConfig.from_dict(record.config["model"])
    return ManifestVariant(
        name=record.variant,
        levels={},
        change={},
        parameters=model.num_parameters(),
        flops_per_token=model.flops_per_token(),
        mismatch=None,
        config_hash=config_hash(record.config),
        model=record.config["model"],
    )


def describe_import(directory: RunDirectory) -> str:
    """What was imported, and what can be done with it."""
    record = directory.read()
    model = ModelConfig.from_dict(record.config["model"])
    labels = model.labels()
    parts = ", ".join(labels[factor] for factor in ("positions", "norm", "feedforward"))
    name = f"{record.study}/{record.variant}"
    missing = _special_tokens_line(record.config["data"]["special_tokens"])
    if not record.config["data"]["tokenizer"]:
        missing = f"\nIt came without a tokenizer, and reads no text.{missing}"
    return (
        f"{name} is run {record.run_id}: {model.num_parameters():,} parameters, {model.layers} layers, width "
        f"{model.width}, context {model.context}; {parts}.{missing}\nNext: {_next_steps(record, name)}"
    )


def _next_steps(record: RunRecord, name: str) -> str:
    """What can be done with it: little without a tokenizer."""
    if record.config["data"]["tokenizer"]:
        return f"workbench evaluate {name} · workbench generate {name} 'text' · 'start: {name}' in a study"
    source = shlex.quote(record.provenance["source"])
    again = f"workbench import {source} --tokenizer {TOKENIZER} --name {record.variant}-with-tokenizer"
    return f"{again} · workbench export {name} FOLDER"


def _special_tokens_line(special: dict[str, Any]) -> str:
    """Which tokens begin and end its texts, in a line of its own."""
    first = special["beginning_of_text"]
    ends = special["ends_of_text"]
    line = "\nNo token is known to end its texts: see --eos."
    if ends:
        line = f"\nIts texts end with token {' or '.join(map(str, ends))}"
        if special["end_of_document"] not in ends:
            line += f" (documents with {special['end_of_document']})"
        line += "."
    if first is not None:
        put = "is" if special["adds_beginning"] else "is not"
        line += f" Token {first}, which begins a text, {put} put before prompts by default (--bos, --no-bos)."
    return line
