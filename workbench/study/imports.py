"""``workbench import``: a model from elsewhere becomes a run like any other, in the study ``imported``."""

import re
import shutil
import tempfile
from hashlib import file_digest
from pathlib import Path
from typing import Any

import tokenizers
from filelock import FileLock
from safetensors.torch import save_file

from workbench.data.tokenizers import TOKENIZER, FileTokenizer, file_spec
from workbench.errors import UserError
from workbench.model.config import ModelConfig
from workbench.model.pretrained import Checkpoint, read_checkpoint
from workbench.records.files import write_yaml
from workbench.records.index import MANIFEST
from workbench.records.provenance import git_state, versions
from workbench.records.run import WEIGHTS, RunDirectory, RunRecord, State, config_hash, now, run_id
from workbench.study.plan import manifest_hash
from workbench.training.config import TrainingConfig

STUDY, PHASE = "imported", "import"
CORPUS = "python-stdlib"  # what an imported model is evaluated on unless told otherwise
_BATCH_SIZE = 8


def import_model(
    path: Path, *, name: str | None, context: int | None, tokenizer: Path | None, out: Path
) -> RunDirectory:
    """Read the model in the folder ``path`` and write it as a run; the same model twice is the same run.

    ``name`` is the folder's by default. ``tokenizer`` is a ``tokenizer.json`` where the folder has none.
    Raises ``UserError`` for a folder that holds no model, and for a name that another model has.
    """
    checkpoint, name = read_checkpoint(path, context=context), _name(name, path)
    study = Path(out) / STUDY
    (study / "runs").mkdir(parents=True, exist_ok=True)
    with FileLock(study / ".lock"):
        # Built beside its place and renamed: a broken-off import leaves nothing that looks like a run.
        partial = Path(tempfile.mkdtemp(prefix=".import-", dir=study / "runs"))
        try:
            directory = _write(checkpoint, Path(path), name, tokenizer, partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        write_yaml(study / MANIFEST, _manifest(study))
    return directory


def _name(name: str | None, path: Path) -> str:
    found = name or Path(path).resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}", found):
        raise UserError(f"name: {found!r} is no name for a model; give one of letters and digits with --name")
    return found


def _write(
    checkpoint: Checkpoint, source: Path, name: str, tokenizer: Path | None, partial: Path
) -> RunDirectory:
    contiguous = {key: tensor.contiguous() for key, tensor in checkpoint.tensors.items()}
    save_file(contiguous, partial / WEIGHTS)
    spec = _tokenizer(checkpoint, source, tokenizer, partial)
    record = _record(checkpoint, source, name, _config(checkpoint, spec, partial / WEIGHTS))
    target = RunDirectory(partial.parent / record.run_id)
    _refuse_other(partial.parent, record)
    if not target.exists():
        complete = partial / record.run_id
        complete.mkdir()
        for file in [item for item in partial.iterdir() if item.is_file()]:
            file.rename(complete / file.name)
        RunDirectory(complete).write(record)
        complete.rename(target.path)
    return target


def _tokenizer(
    checkpoint: Checkpoint, source: Path, given: Path | None, folder: Path
) -> dict[str, str] | None:
    """Put the model's tokenizer into ``folder``; None where there is none to be found."""
    place = folder / TOKENIZER
    if given is not None or checkpoint.tokenizer is not None:
        origin = Path(file_spec({"file": given})["file"]) if given else checkpoint.tokenizer
        shutil.copyfile(origin, place)
    elif (source / "vocab.json").is_file() and (source / "merges.txt").is_file():
        model = tokenizers.ByteLevelBPETokenizer(str(source / "vocab.json"), str(source / "merges.txt"))
        model.save(str(place))
    else:
        return None
    spec = file_spec({"file": place})
    FileTokenizer(place, spec)  # refuses what is no tokenizer before anything is kept
    return {"file": TOKENIZER, "sha256": spec["sha256"]}


def _config(checkpoint: Checkpoint, tokenizer: dict[str, str] | None, weights: Path) -> dict[str, Any]:
    with open(weights, "rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    training = TrainingConfig(tokens=1, batch_size=_BATCH_SIZE).resolve("cpu").model_dump(mode="json")
    return {
        "model": checkpoint.config.to_dict(),
        "data": {"corpus": CORPUS, "tokenizer": tokenizer, "fingerprint": None},
        "training": training | {"tokens": 0, "device": "cpu"},
        "weights": digest,
    }


def _record(checkpoint: Checkpoint, source: Path, name: str, config: dict[str, Any]) -> RunRecord:
    model, moment = checkpoint.config, now()
    return RunRecord(
        run_id=run_id(config, PHASE, 0.0, 0),
        study=STUDY,
        variant=name,
        phase=PHASE,
        seed=0,
        learning_rate=0.0,
        config=config,
        state=State.COMPLETE,
        cost={"parameters": model.num_parameters(), "flops_per_token": model.flops_per_token()},
        progress={"step": 0, "steps": 0},
        provenance={
            "source": str(source.resolve()),
            "layout": checkpoint.layout,
            "dtype": str(checkpoint.dtype).removeprefix("torch."),
            "versions": versions(),
            **git_state(),
        },
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
            raise UserError(
                f"name: {record.variant!r} is another model already (run {known.run_id}); give a new --name"
            )


def _manifest(study: Path) -> dict[str, Any]:
    """The study ``imported``, as far as a study without comparisons has a manifest."""
    records = _records(study / "runs")
    body = {
        "name": STUDY,
        "question": "Models that were trained elsewhere",
        "design": PHASE,
        "match": "none",
        "metric": "validation/loss",
        "margin": 0.01,
        "factors": {},
        "baseline": records[0].variant,
        "variants": [_variant(record) for record in records],
        "learning_rates": [],
        "grid_growth": 0,
        "seeds": {"pilot": [], "tune": [], "confirm": []},
        "phases": [],
        "context": max(record.config["model"]["context"] for record in records),
        "training": {"tokens": 0, "steps": 0, "device": "cpu"},
        "data": {"corpus": CORPUS, "description": f"evaluated on {CORPUS} unless told otherwise"},
    }
    return body | {"hash": manifest_hash(body), "versions": versions(), **git_state()}


def _variant(record: RunRecord) -> dict[str, Any]:
    return {
        "name": record.variant,
        "levels": {},
        "change": {},
        "parameters": record.cost["parameters"],
        "flops_per_token": record.cost["flops_per_token"],
        "mismatch": None,
        "config_hash": config_hash(record.config),
        "model": record.config["model"],
    }


def told(directory: RunDirectory) -> str:
    """What was imported, and what can be done with it."""
    record = directory.read()
    model = ModelConfig.from_dict(record.config["model"])
    labels = model.labels()
    parts = ", ".join(labels[factor] for factor in ("positions", "norm", "feedforward"))
    name = f"{record.study}/{record.variant}"
    missing = "" if record.config["data"]["tokenizer"] else "\nIt came without a tokenizer: see --tokenizer."
    return (
        f"{name} is run {record.run_id}: {model.num_parameters():,} parameters, {model.layers} layers, width "
        f"{model.width}, context {model.context}; {parts}.{missing}\n"
        f"Next: workbench evaluate {name} · workbench generate {name} 'text' · 'start: {name}' in a study"
    )
