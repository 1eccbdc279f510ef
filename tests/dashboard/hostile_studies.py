"""Studies of a stranger: every text in every file of them is Markdown, HTML or LaTeX that would act."""

import json
import shutil
from pathlib import Path

import yaml

from tests.dashboard.dashboard_studies import SEEDS, write_study
from tests.dashboard.search_studies import write_search
from workbench.files import write_json, write_yaml

# What a program reads in these files; everything else that is text is for people.
_STRUCTURE = {"run_id", "state", "phase", "phases", "metric", "config_hash", "hash", "design", "match"}
_STRUCTURE |= {"created", "started", "finished", "updated", "device", "weights", "sha256"}
_NAMES = {"levels", "change", "factors", "versions", "space", "point"}  # whose keys are for people too


def poison(host):
    """Text that would make links, images, colours, icons and formulas, and ask ``host``."""
    return (
        f" $x^2$ *b* __c__ ~~d~~ :red[r] :material/home: :smile: :streamlit: a -> b `e` ![](http://{host}/leak)"
        f' <img src="http://{host}/leak"> [a](javascript:alert) [r]: http://{host}/leak &copy; http://{host}/leak'
        f" www.leak.example m@leak.example <script>alert(1)</script> |t|\u202e\x1b[2J"
    )


def write_hostile(folder, host, name="hostile", *, model=None, live=False):
    """A results folder with one such study; ``model`` is a study directory to take, for its weights."""
    results = Path(folder) / "results"
    if model is None:
        path = write_study(results, name, confirm=3, live=live, damaged=True, seeds=SEEDS)
    else:
        path = shutil.copytree(model, results / name)
    for file in [*sorted(path.rglob("*.json")), path / "study.yaml"]:
        _poison_file(file, poison(host), keep={"model", "data", "training"} if model else set())
    if model is None:
        _lose_runs(path, poison(host))
    return results


def write_hostile_search(folder, host, name="hostile"):
    """A results folder with a search whose levels, names of dimensions and reasons are such text."""
    results = Path(folder) / "results"
    path = write_search(results / name, trials=24)
    for file in [*sorted(path.rglob("*.json")), path / "study.yaml"]:
        _poison_file(file, poison(host), keep={"variant", "objectives", "hash", "config"})
    return results


def write_hostile_cards(folder, host):
    """A claim card, in a folder as a user has it, whose every text is such."""
    text = poison(host).replace("\x1b", "").replace("\u202e", "")
    own = Path(folder) / "ablations" / "claims"
    own.mkdir(parents=True)
    source = dict.fromkeys(("paper", "where", "number"), text) | {"certainty": "derived"}
    asked = {"study": "hostile", "quantity": "loss", "direction": "lower", "margin": 0.01, "rung": text}
    card = {
        **dict.fromkeys(("title", "statement", "scope"), text),
        "sources": [source],
        "rungs": {text: {"size": "nano", "about": text}},
        "predictions": [
            asked | {"id": "one", "variant": text},
            asked | {"id": "two", "variant": text, "against": text, "quantity": "bits_per_byte"},
            asked | {"id": "three", "study": "gone", "variant": text, "evaluation": text},
        ],
    }
    write_yaml(own / "card.yaml", card)
    return own


def _poison_file(file, text, keep):
    try:
        values = yaml.safe_load(file.read_text())
    except yaml.YAMLError:
        file.write_text(file.read_text() + text.replace("\x1b", ""))  # damaged as it was, in other words
        return
    changed = _poisoned(values, text, keep)
    for variant in changed.get("variants", ()):
        variant.pop("config_hash", None)  # the runs' configurations are others now
    (write_yaml if file.suffix == ".yaml" else write_json)(file, changed)


def _poisoned(value, text, keep, key=""):
    if isinstance(value, dict):
        return {
            name + text * (key in _NAMES): item
            if name in _STRUCTURE | keep and key not in _NAMES
            else _poisoned(item, text, keep, name)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_poisoned(item, text, keep) for item in value]
    return f"{value}{text}" if isinstance(value, str) else value


def _lose_runs(path, text):
    """One run of each kind that ends badly, and one whose record is none."""
    runs = sorted((path / "runs").glob("*/run.json"))
    runs = [run for run in runs if "deadbeef" not in str(run)]
    for run, state in zip(runs, ("failed", "diverged", text), strict=False):
        write_json(run, json.loads(run.read_text()) | {"state": state, "error": f"first\nlast{text}"})
