"""Searches of some size with known effects, written as real records, for the page *Search*."""

import math

import numpy as np

from tests.analysis import search_studies
from tests.analysis.synthetic_studies import variant
from workbench.files import write_yaml
from workbench.records.run import Phase, RunRecord, State, run_id, write_record
from workbench.records.search import SearchPoint, SearchPoints

LEVELS = {
    "positions": ["rope", "learned", "alibi"],
    "norm": ["rmsnorm", "layernorm"],
    "feedforward": ["swiglu", "gelu", "relu_squared"],
}
HEADS = [2, 4, 8]
EFFECTS = {"learned": 0.12, "alibi": 0.03, "gelu": 0.05, "relu_squared": 0.01, "layernorm": 0.004}
LIMIT = 900_000


def space(more=0):
    """The dimensions, and ``more`` that do nothing: half of them levels, half ranges."""
    own = {**LEVELS, "heads": HEADS, "learning_rate": {"low": 0.001, "high": 0.01, "log": True}}
    for place in range(more):
        if place % 2:
            own[f"initial_{place}"] = {"low": 0.0, "high": 1.0}
        else:
            own[f"option_of_the_block_{place}"] = ["as_published", "without_biases", "with_gates"]
    return own


def write_search(path, trials=60, more=0, seeds=(1001,), objectives=("validation/loss", "flops_per_token")):
    """A search of so many points in the folder ``path``, the baseline's architecture among them."""
    generator = np.random.default_rng(0)
    whole = space(more)
    own = {name: kind for name, kind in whole.items() if isinstance(kind, list)}
    search = {
        "space": whole,
        "levels": {name: kind for name, kind in own.items() if name != "heads"},
        "sizes": ["heads"],
        "hyperparameters": [name for name in whole if name not in own],
        "objectives": list(objectives),
        "constraints": [f"parameters <= {LIMIT}"],
        "sampler": "tpe",
        "trials": trials,
        "identity": "0123456789ab",
    }
    baseline = variant("baseline") | {
        "levels": {name: kind[0] for name, kind in own.items() if name != "heads"},
        "model": {"heads": 4},
    }
    given = {"search": search, "variants": [baseline], "seeds": {"tune": list(seeds)}}
    write_yaml(path / "study.yaml", search_studies.manifest(**given))
    points = []
    for number in range(trials):
        point = _drawn(generator, whole, number)
        points.append(_point(number, point))
        if points[-1].infeasible is None:
            for seed in seeds:
                _write_run(path, number, point, seed, points[-1].figures)
    SearchPoints(rounds=[points]).write(path)
    return path


def _drawn(generator, whole, number):
    point = {}
    for name, kind in whole.items():
        if isinstance(kind, list):
            point[name] = kind[0] if number == 0 else kind[int(generator.integers(len(kind)))]
        elif kind.get("log"):
            value = math.exp(generator.uniform(math.log(kind["low"]), math.log(kind["high"])))
            point[name] = float(f"{value:.3g}")
        else:
            point[name] = float(f"{generator.uniform(kind['low'], kind['high']):.3g}")
    if number == 0:
        point["heads"] = 4
    return point


def _point(number, point):
    size = 100_000 * HEADS.index(point["heads"]) + 40_000 * (point["positions"] == "learned") + 700_000
    return SearchPoint(
        number=number,
        point=point,
        figures={
            "parameters": float(size),
            "flops_per_token": 6.0 * size + 9_000 * (point["norm"] != "rmsnorm"),
        },
        constraints={f"parameters <= {LIMIT}": size / LIMIT - 1},
        infeasible=f"parameters <= {LIMIT}: has {size:,}" if size > LIMIT else None,
    )


def _loss(number, point, seed):
    """Nats per token: the effects of levels, a rate that is best at 0.004, heads, and luck."""
    own = np.random.default_rng([seed, number]).normal(0, 0.01)
    shared = np.random.default_rng(seed).normal(0, 0.02)
    levels = sum(EFFECTS.get(value, 0.0) for value in point.values() if isinstance(value, str))
    detuned = 0.06 * math.log2(point["learning_rate"] / 0.004) ** 2
    return 2.1 + levels + detuned - 0.02 * HEADS.index(point["heads"]) + own + shared


def _write_run(path, number, point, seed, figures):
    state = State.DIVERGED if number % 29 == 13 else State.COMPLETE
    done = state is State.COMPLETE
    config = {
        "model": {**{name: {"name": point[name]} for name in LEVELS}, "vocabulary": 257, "layers": number},
        "data": {},
        "training": {},
    }
    hyperparameters = {"learning_rate": point["learning_rate"]}
    record = RunRecord(
        run_id=run_id(config, Phase.SEARCH, hyperparameters, seed),
        study="search",
        variant=f"#{number}",
        phase=Phase.SEARCH,
        seed=seed,
        hyperparameters=hyperparameters,
        config=config,
        point=point,
        state=state,
        error=None if done else "the training loss became nan at step 41; try a smaller learning rate",
        summary={"validation/loss": _loss(number, point, seed)} if done else {},
        cost={"seconds": 7.5, "tokens": 200_000, **figures} if done else {},
        progress={"step": 200 if done else 41, "steps": 200},
    )
    write_record(path, record)
