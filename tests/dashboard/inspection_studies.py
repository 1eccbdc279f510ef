"""A study whose runs can be looked into: real tiny decoders with their own tables, on a small text.

Losses are invented. Decoders are as initialised, with noise on every parameter; their tables are measured on
the text that they would have been trained on. In each run the scores of one head are made up at a few steps,
so that a head of that kind forms.
"""

from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file

from tests.dashboard import dashboard_studies
from tests.dashboard.dashboard_studies import BASE, BATCH, CONTEXT, STEPS, Trial, curve
from workbench.data.batches import prepare
from workbench.data.cache import cache_directory
from workbench.files import write_yaml
from workbench.inspection.probe import Probe, make_probe
from workbench.inspection.tables import known_tables
from workbench.model import Decoder, preset
from workbench.model.weights import plain_tensors
from workbench.records.probes import append_probes
from workbench.records.run import RunDirectory, RunRecord, State, config_hash, run_id, write_record
from workbench.seeds import generator

LENGTH = 32  # the models' context
SEEDS = (201, 202, 203)
CHANGED = "positions=learned"
VARIANTS = ("baseline", CHANGED)
FORMING = {0: 0.02, 12: 0.05, 48: 0.6, STEPS: 0.7}  # step: what the forming head scores
WORDS = ("def", "return", "value", "alpha", "beta", "for", "in", "range", "if", "else")


def write_study(results: Path, name: str = "inside", *, tables: bool = True, weights: bool = True) -> Path:
    """Write the study and the text beside it; give its directory.

    Without ``tables`` nothing was measured; without ``weights`` no run is complete.
    """
    corpus = write_text(results.parent / f"{results.name}-text")
    path = results / name
    write_yaml(path / "study.yaml", _manifest(name, corpus))
    measured = {}
    for number, (variant, seed) in enumerate((variant, seed) for variant in VARIANTS for seed in SEEDS):
        record = _record(name, variant, seed, number, corpus, State.COMPLETE if weights else State.QUEUED)
        directory = write_record(path, record, curve(Trial(variant, "confirm", seed, 0.012)))
        if not weights:
            continue
        decoder = decoder_of(record.config, seed)
        save_file(plain_tensors(decoder), directory.weights)
        if tables:
            measured = measured or {"probe": _probe(corpus)}
            _write_tables(directory.path, decoder, measured["probe"])
    return path


def decoder_of(config: dict, seed: int) -> Decoder:
    """The decoder that a run of ``config`` would have ended with."""
    decoder = Decoder(preset("llama", **config["model"]))
    decoder.initialize(seed)
    draw = generator("inspection studies", seed)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=draw))
    return decoder


def config_of(variant: str, corpus: dict) -> dict:
    """All that a trial needs, but its seed and learning rate."""
    sizes = {"vocabulary": 257, "context": LENGTH, "width": 16, "layers": 2, "heads": 4}
    model = preset("llama", **sizes, feedforward_width=24, positions=_levels(variant)["positions"])
    training = {"tokens": STEPS * BATCH * CONTEXT, "batch_size": BATCH * CONTEXT // LENGTH, "device": "cpu"}
    return {
        "model": model.to_dict(),
        "data": {"corpus": corpus, "tokenizer": "bytes"},
        "training": training,
    }


def _levels(variant: str) -> dict[str, str]:
    change = dashboard_studies.VARIANTS[variant][0]
    return BASE | {factor: pair[1] for factor, pair in change.items()}


def _manifest(name: str, corpus: dict) -> dict:
    """That of the made-up studies, with these variants alone, and without phases before ``confirm``."""
    whole = dashboard_studies.manifest(name, {"pilot": [], "tune": [], "confirm": list(SEEDS)})
    variants = []
    for variant in (one for one in whole["variants"] if one["name"] in VARIANTS):
        config = config_of(variant["name"], corpus)
        variants.append(variant | {"config_hash": config_hash(config), "model": config["model"]})
    return whole | {"variants": variants, "factors": {"positions": ["rope", "learned"]}, "context": LENGTH}


def _record(study: str, variant: str, seed: int, number: int, corpus: dict, state: State) -> RunRecord:
    trial = Trial(variant, "confirm", seed, 0.012)
    config = config_of(variant, corpus)
    made = dashboard_studies.record(study, trial, state, number)
    name = run_id(config, trial.phase, made.hyperparameters, seed)
    return made.model_copy(update={"config": config, "run_id": name})


def write_text(folder: Path) -> dict:
    """A few short files of made-up words; gives the key ``corpus`` of a study on them."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = generator("inspection studies", "text")
    for number in range(8):
        places = torch.randint(len(WORDS), (300,), generator=draw).tolist()
        lines = [" ".join(WORDS[place] for place in places[at : at + 6]) for at in range(0, 300, 6)]
        (folder / f"{number}.txt").write_text("\n".join(lines))
    return {"path": str(folder)}


def _probe(corpus: dict) -> Probe:
    return make_probe(prepare(corpus, "bytes", cache_directory()), LENGTH, 257)


def _write_tables(run: Path, decoder: Decoder, probe: Probe) -> None:
    for name, table in known_tables().items():
        rows = table.measure(decoder, probe).assign(table=name, probe_hash=probe.hash)
        steps = FORMING if name == "heads" else {STEPS: None}
        append_probes(run, pd.concat([_at(rows, step, score) for step, score in steps.items()]))


def _at(rows: pd.DataFrame, step: int, score: float | None) -> pd.DataFrame:
    rows = rows.assign(step=step)
    if score is not None:
        forming = (rows["layer"] == 1) & (rows["head"] == 2) & (rows["metric"] == "induction")
        rows.loc[forming, "value"] = score
    return rows


def runs_of(study: Path) -> dict[tuple[str, int], RunDirectory]:
    """The study's runs by variant and seed."""
    directories = [RunDirectory(path) for path in sorted((study / "runs").iterdir())]
    return {(record.variant, record.seed): one for one in directories for record in [one.read()]}
