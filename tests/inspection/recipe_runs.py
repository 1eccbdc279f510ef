"""A study whose variants read one text in other tokens, or in longer windows: tiny decoders, all measured.

Decoders are as initialised, with noise on every parameter; their losses are invented.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.analysis.recipe_studies import Recipe, RecipeStudy
from tests.inspection.tiny_imports import write_text
from workbench.data.batches import prepare
from workbench.data.cache import cache_directory
from workbench.inspection.measuring import measure_missing
from workbench.model import Decoder, preset
from workbench.model.weights import plain_tensors
from workbench.records.run import RunDirectory
from workbench.seeds import generator
from workbench.training.run_text import keep_tokenizer

LEARNED, LONGER = "tokenizer=bpe-280", "context=48"


def write_study(results: Path) -> Path:
    """Write the study ``recipes`` and the text beside ``results``; give the study's directory."""
    corpus = write_text(results.parent / "text")
    learned = prepare(corpus, {"bpe": 280}, cache_directory()).tokenizer
    spec = dict(learned.spec)
    recipes = {
        "baseline": Recipe(corpus=corpus),
        LEARNED: Recipe(
            {"tokenizer": ["bytes", "bpe-280"]},
            corpus=corpus,
            tokenizer=spec,
            vocabulary=learned.vocabulary,
            bytes_per_token=4.0,
            tokens=61_440,
        ),
        LONGER: Recipe({"context": ["32", "48"]}, corpus=corpus, context=48),
    }
    seeds = {"pilot": [], "tune": [], "confirm": [201, 202]}
    study = RecipeStudy(results / "recipes", recipes, unit="bytes", seeds=seeds, phases=["confirm"])
    keep_tokenizer(learned, study.path)
    runs = [study.run(name, seed) for name in recipes for seed in seeds["confirm"]]
    for run in runs:
        _write_weights(run)
    assert not measure_missing(runs)
    return study.path


def _write_weights(directory: RunDirectory) -> None:
    record = directory.read()
    decoder = Decoder(preset("llama", **record.config["model"]))
    decoder.initialize(record.seed)
    draw = generator("recipe runs", record.seed)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=draw))
    save_file(plain_tensors(decoder), directory.weights)
