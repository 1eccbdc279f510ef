"""A search with known answers, written as real records: what the tests of its analysis and pages read."""

from tests.analysis.synthetic_studies import variant
from workbench.files import write_yaml
from workbench.records.index import load_study
from workbench.records.run import Phase, RunRecord, State, run_id, write_record
from workbench.records.search import SearchPoint, SearchPoints

SPACE = {
    "norm": ["rmsnorm", "layernorm"],
    "heads": [2, 4, 3],
    "learning_rate": {"low": 0.001, "high": 0.01, "log": True},
}
SEEDS = [1001, 1002]
# number: (norm, heads, rate, FLOPs per token, losses by seed; text: what became of it)
POINTS = [
    ("rmsnorm", 2, 0.001, 800, [2.50, 2.52]),
    ("layernorm", 2, 0.003, 700, [2.40, 2.44]),
    ("rmsnorm", 3, 0.002, 0, "width: 64 is not divisible by heads 3; use heads 2"),
    ("rmsnorm", 4, 0.004, 900, [2.30, 2.32]),
    ("layernorm", 4, 0.009, 900, State.DIVERGED),
    ("layernorm", 4, 0.005, 950, [2.35, 2.31]),
    ("rmsnorm", 2, 0.002, 800, State.RUNNING),
]


def manifest(**changes):
    """A manifest of a search over norm, heads and learning rate, with two objectives."""
    search = {
        "space": SPACE,
        "levels": {"norm": ["rmsnorm", {"name": "layernorm"}]},
        "sizes": ["heads"],
        "hyperparameters": ["learning_rate"],
        "objectives": ["validation/loss", "flops_per_token"],
        "constraints": ["parameters <= 1M"],
        "sampler": "tpe",
        "pruner": "none",
        "trials": 8,
        "identity": "0123456789ab",
    }
    body = {
        "name": "search",
        "question": "What looks best at this size?",
        "hash": "3f2a00112233",
        "design": "search",
        "match": "none",
        "metric": "validation/loss",
        "baseline": "baseline",
        "variants": [variant("baseline")],
        "seeds": {"pilot": [], "tune": SEEDS, "confirm": []},
        "phases": ["search"],
        "training": {"tokens": 200_000, "batch_size": 8, "steps": 200},
        "context": 128,
        "data": {"description": "Python 3.11 standard library, 612 files", "train_tokens": 9_000_000},
        "search": search,
    }
    return body | changes


def write_search(path, points=POINTS, **changes):
    """The search in the folder ``path``, loaded."""
    write_yaml(path / "study.yaml", manifest(**changes))
    SearchPoints(rounds=[[_point(number, *one) for number, one in enumerate(points)]]).write(path)
    for number, (norm, heads, rate, flops, found) in enumerate(points):
        for place, seed in enumerate(SEEDS):
            if isinstance(found, list):
                _run(path, number, (norm, heads, rate, flops), seed, State.COMPLETE, found[place])
            elif isinstance(found, State):
                _run(path, number, (norm, heads, rate, flops), seed, found, None)
    return load_study(path)


def _point(number, norm, heads, rate, flops, found):
    impossible = found if isinstance(found, str) and not isinstance(found, State) else None
    return SearchPoint(
        number=number,
        point={"norm": norm, "heads": heads, "learning_rate": rate},
        figures={} if impossible else {"flops_per_token": float(flops), "parameters": 100_000.0},
        constraints={} if impossible else {"parameters <= 1M": -0.9},
        infeasible=impossible,
    )


def _run(path, number, point, seed, state, loss):
    norm, heads, rate, flops = point
    config = {
        "model": {"norm": {"name": norm}, "heads": heads, "vocabulary": 257},
        "data": {},
        "training": {},
    }
    hyperparameters = {"learning_rate": rate}
    record = RunRecord(
        run_id=run_id(config, Phase.SEARCH, hyperparameters, seed),
        study="search",
        variant=f"#{number}",
        phase=Phase.SEARCH,
        seed=seed,
        hyperparameters=hyperparameters,
        config=config,
        point={"norm": norm, "heads": heads, "learning_rate": rate},
        state=state,
        error="the loss became NaN at step 40" if state is State.DIVERGED else None,
        summary={"validation/loss": loss} if loss is not None else {},
        cost={"seconds": 7.5, "tokens": 200_000, "parameters": 100_000, "flops_per_token": flops}
        if state is State.COMPLETE
        else {},
        progress={"step": 200 if state is State.COMPLETE else 40, "steps": 200},
    )
    write_record(path, record)
