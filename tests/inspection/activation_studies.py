"""Made-up studies for the views of activations: untrained decoders, their own tables, two variants, seeds."""

from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file

from workbench.files import write_yaml
from workbench.inspection.activations.feedforward_activity import feedforward_table
from workbench.inspection.activations.residual import residual_table
from workbench.inspection.attention.head_scores import head_table
from workbench.inspection.probe import Probe
from workbench.model import Decoder, preset
from workbench.model.weights import plain_tensors
from workbench.records.probes import COLUMNS, write_probes
from workbench.records.run import Phase, RunRecord, State, config_hash, run_id, write_record
from workbench.seeds import generator

CONTEXT = 16
TABLES = {"residual": residual_table, "feedforward": feedforward_table, "heads": head_table}


def decoder_of(seed: int = 1, **levels) -> Decoder:
    """A small decoder as initialised; ``levels`` change its config."""
    sizes = {"vocabulary": 257, "context": CONTEXT, "width": 16, "layers": 2, "heads": 4}
    decoder = Decoder(preset("llama", **(sizes | {"feedforward_width": 24} | levels)))
    decoder.initialize(seed)
    return decoder


def stirred(decoder: Decoder, scale: float = 0.2) -> Decoder:
    """The decoder with noise on every parameter, so that no bias is 0 and no norm's weight 1."""
    draw = generator("activation studies", "noise")
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=draw))
    return decoder


def tokens(count: int = 4, length: int = CONTEXT + 1) -> torch.Tensor:
    """``(count, length)`` random ids."""
    return torch.randint(0, 256, (count, length), generator=generator("activation studies", "tokens"))


def probe(count: int = 4) -> Probe:
    """Random tokens."""
    text = tokens(count)
    return Probe(text=text, long=text, context=CONTEXT, vocabulary=257)


def write_study(folder: Path, variants: dict[str, dict], seeds: tuple[int, ...] = (1, 2, 3)) -> Path:
    """Write the study ``activations``: a variant is what its config changes; give its directory."""
    study = folder / "activations"
    study.mkdir(parents=True)
    known = []
    for name, levels in variants.items():
        config = {
            "model": decoder_of(**levels).config.to_dict(),
            "data": {"corpus": "python-stdlib", "tokenizer": "bytes"},
            "training": {"batch_size": 8, "tokens": 800 * 8 * CONTEXT},
        }
        change = {key: ["before", "after"] for key in levels} if known else {}
        known.append({"name": name, "change": change, "config_hash": config_hash(config)})
        for seed in seeds:
            _write_run(study, name, config, seed, stirred(decoder_of(seed, **levels), 0.05))
    manifest = {"name": "activations", "variants": known, "metric": "validation/loss"}
    write_yaml(study / "study.yaml", manifest | {"baseline": next(iter(variants))})
    return study


def _write_run(study: Path, variant: str, config: dict, seed: int, decoder: Decoder) -> None:
    record = RunRecord(
        run_id=run_id(config, Phase.CONFIRM, {"learning_rate": 0.01}, seed),
        study="activations",
        variant=variant,
        phase="confirm",
        seed=seed,
        hyperparameters={"learning_rate": 0.01},
        config=config,
        state=State.COMPLETE,
        progress={"step": 800, "steps": 800},
    )
    metrics = pd.DataFrame([{"step": 800, "tokens": 800 * 8 * CONTEXT, "validation/loss": 3.0}])
    directory = write_record(study, record, metrics)
    save_file(plain_tensors(decoder), directory.weights)
    parts = [measure(decoder, probe()).assign(table=name) for name, measure in TABLES.items()]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    write_probes(directory.path, table.assign(step=800, probe_hash=probe().hash)[list(COLUMNS)])
