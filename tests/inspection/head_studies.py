"""Made-up studies for the views of heads: real decoders and tables, scores of the test's choosing.

Decoders are as initialised; their tables are measured. In each run one head (layer 1, head 2) gets the scores
that the test wants at each checkpoint, and the others what uniform attention has.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file

from workbench.files import write_yaml
from workbench.inspection.attention.head_scores import head_table
from workbench.inspection.position.distance import profile_table
from workbench.inspection.probe import Probe
from workbench.inspection.scope import Scope
from workbench.model import Decoder, preset
from workbench.model.parts.component import POSITIONS
from workbench.model.weights import plain_tensors
from workbench.records.probes import COLUMNS, write_probes
from workbench.records.run import Phase, RunDirectory, RunRecord, State, config_hash, run_id, write_record
from workbench.seeds import generator

BATCH, CONTEXT = 8, 32
STEPS = (0, 100, 200, 400, 800)


@dataclass(frozen=True)
class Made:
    """A variant: its position code, and per seed the chosen head's scores at each of ``STEPS``."""

    positions: str
    scores: dict[int, dict[str, list[float]]]


def write_study(folder: Path, variants: dict[str, Made], *, weights: bool = True) -> Path:
    """Write the study ``heads`` and give its directory."""
    study = folder / "heads"
    study.mkdir(parents=True)
    hashes = []
    for name, made in variants.items():
        config = _config(made.positions)
        change = {} if not hashes else {"positions": ["rope", POSITIONS.config(made.positions).label]}
        hashes.append({"name": name, "change": change, "config_hash": config_hash(config)})
        for seed, scores in made.scores.items():
            _write_run(study, name, config, seed, scores, weights)
    manifest = {
        "name": "heads",
        "variants": hashes,
        "baseline": next(iter(variants)),
        "metric": "validation/loss",
    }
    write_yaml(study / "study.yaml", manifest)
    return study


def scope_of(study: Path, variant: str, against: str | None = None, seed: int = 1) -> Scope:
    """The runs of two variants at one seed."""
    found = {}
    for path in sorted((study / "runs").iterdir()):
        record = RunDirectory(path).read()
        found[record.variant, record.seed] = RunDirectory(path)
    return Scope(found[variant, seed], found[against, seed] if against else None)


def probe() -> Probe:
    """Random tokens."""
    text = torch.randint(0, 100, (4, CONTEXT + 1), generator=generator("head studies"))
    return Probe(text=text, long=text, context=CONTEXT, vocabulary=257)


def _config(positions: str) -> dict:
    sizes = {"vocabulary": 257, "context": CONTEXT, "width": 16, "layers": 2, "heads": 4}
    model = preset("llama", **sizes, feedforward_width=16, positions=positions).to_dict()
    data = {"corpus": "python-stdlib", "tokenizer": "bytes"}
    return {
        "model": model,
        "data": data,
        "training": {"batch_size": BATCH, "tokens": STEPS[-1] * BATCH * CONTEXT},
    }


def _write_run(
    study: Path, variant: str, config: dict, seed: int, scores: dict[str, list[float]], weights: bool
) -> None:
    record = RunRecord(
        run_id=run_id(config, Phase.CONFIRM, {"learning_rate": 0.01}, seed),
        study="heads",
        variant=variant,
        phase="confirm",
        seed=seed,
        hyperparameters={"learning_rate": 0.01},
        config=config,
        state=State.COMPLETE,
        progress={"step": STEPS[-1], "steps": STEPS[-1]},
    )
    directory = write_record(study, record, _metrics(seed))
    decoder = Decoder(preset("llama", **config["model"]))
    decoder.initialize(seed)
    if weights:
        save_file(plain_tensors(decoder), directory.weights)
    write_probes(directory.path, _probes(decoder, scores))


def _metrics(seed: int) -> pd.DataFrame:
    steps = list(range(20, STEPS[-1] + 1, 20))
    rows = [
        {
            "step": step,
            "tokens": step * BATCH * CONTEXT,
            "train/loss": 5.5 * step**-0.1 + 0.01 * seed,
            "validation/loss": 5.6 * step**-0.1 + 0.01 * seed if step % 100 == 0 else None,
        }
        for step in steps
    ]
    return pd.DataFrame(rows)


def _probes(decoder: Decoder, scores: dict[str, list[float]]) -> pd.DataFrame:
    heads, profiles, parts = head_table(decoder, probe()), profile_table(decoder, probe()), []
    count = len(next(iter(scores.values())))
    for number, step in enumerate(STEPS[-count:]):  # one score: measured at the end only
        rows = heads.copy()
        for metric, values in scores.items():
            chosen = (rows["metric"] == metric) & (rows["layer"] == 1) & (rows["head"] == 2)
            rows.loc[chosen, "value"] = values[number]
        parts.append(rows.assign(step=step, table="heads"))
    parts.append(profiles.assign(step=STEPS[-1], table="profiles"))
    return pd.concat(parts, ignore_index=True).assign(probe_hash=probe().hash)[list(COLUMNS)]
