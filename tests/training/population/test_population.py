"""A population: each replica is the trial that it would be alone, whatever happens to the others."""

import math
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from workbench.model.parts.component import FACTORS, FEEDFORWARDS, NORMS, POSITIONS
from workbench.model.presets import preset
from workbench.records.index import load_study
from workbench.records.metrics import read_evaluations
from workbench.records.run import RunDirectory, RunRecord, State
from workbench.seeds import generator
from workbench.training.config import TrainingConfig
from workbench.training.flat_parameters import FlatLayout
from workbench.training.optimizers import build_optimizer, optimizer_config
from workbench.training.optimizers.adam import ReplicatedAdamW
from workbench.training.population.halving import Halving, rungs
from workbench.training.population.population import Population, Replica
from workbench.training.population.replica_file import load_replica
from workbench.training.population.trial import TooLarge, run_population
from workbench.training.run import ScheduledMeasuring, Watcher
from workbench.training.trial import run_trial

CONTEXT = 16
STEPS = 20
LEVELS = [
    *(("positions", name) for name in POSITIONS.names()),
    *(("norm", name) for name in NORMS.names()),
    *(("feedforward", name) for name in FEEDFORWARDS.names()),
    *(("initialization", name) for name in FACTORS["initialization"].names()),
    ("qk_norm", "rmsnorm"),
    ("bias", True),
    ("tied_embeddings", True),
    ("key_value_heads", 1),
    ("window", 4),
    ("attention_gate", "headwise"),
    ("attention_gate", "elementwise"),
    ("attention_softcap", 5.0),
    ("norm_placement", "post"),
    ("norm_placement", "sandwich"),
    ("norm_placement", "parallel"),
    ("dropout", 0.1),
]
TRIALS = [(0.01, 1), (0.003, 2)]  # learning rate, seed


def config(training=None, **levels):
    model = preset("llama", vocabulary=257, context=CONTEXT, layers=1, width=16, heads=2)
    options = {"tokens": STEPS * 2 * CONTEXT, "batch_size": 2, "evaluations": 4, "evaluation_tokens": 128}
    resolved = TrainingConfig(**(options | (training or {}))).resolve("cpu")
    return {
        "model": model.with_levels(**levels).to_dict(),
        "data": {"corpus": "unused", "tokenizer": "bytes"},
        "training": resolved.model_dump(mode="json") | {"device": "cpu"},
    }


def directories(folder, settings, trials=TRIALS):
    made = []
    for rate, seed in trials:
        name = f"{rate}-{seed}"
        directory = RunDirectory(folder / "runs" / name)
        if not directory.exists():
            directory.write(
                RunRecord(
                    run_id=name,
                    study="s",
                    variant="v",
                    phase="confirm",
                    seed=seed,
                    hyperparameters={"learning_rate": rate},
                    config=settings if isinstance(settings, dict) else settings(rate, seed),
                )
            )
        made.append(directory)
    return made


def together(folder, corpus, settings, trials=TRIALS, **options):
    made = directories(folder, settings, trials)
    halving = options.pop("halving", None)
    return run_population(made, lambda data: corpus, Watcher(**options), halving), made


def alone(folder, corpus, settings, trials=TRIALS):
    made = directories(folder, settings, trials)
    return [run_trial(directory, lambda data: corpus, Watcher()) for directory in made], made


def compare(records, expected, tolerance=1e-5):
    for record, other in zip(records, expected, strict=True):
        assert record.state is State.COMPLETE, record.error
        assert record.summary.keys() == other.summary.keys()
        for key, value in other.summary.items():
            assert record.summary[key] == pytest.approx(value, rel=tolerance), key


@pytest.fixture(scope="module")
def by_itself(corpus, tmp_path_factory):
    """Trains the trials of a level alone, once for all tests that ask for them."""
    return cache(
        lambda factor, level: alone(tmp_path_factory.mktemp("alone"), corpus, config(**{factor: level}))
    )


@pytest.mark.parametrize(("factor", "level"), LEVELS)
def test_a_replica_equals_the_trial_alone(tmp_path, corpus, by_itself, factor, level):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*performance drop.*")
        found, ours = together(tmp_path, corpus, config(**{factor: level}))
    expected, theirs = by_itself(factor, level)
    compare(found, expected)
    for one, other in zip(ours, theirs, strict=True):
        for name, tensor in load_file(other.weights).items():
            torch.testing.assert_close(load_file(one.weights)[name], tensor, atol=1e-4, rtol=1e-3)
    assert len({record.summary["validation/loss"] for record in found}) == len(TRIALS)


def test_its_rows_are_those_of_the_trial_alone(tmp_path, corpus):
    _, ours = together(tmp_path / "together", corpus, config())
    _, theirs = alone(tmp_path / "alone", corpus, config())
    exact = ["step", "tokens", "flops", "learning_rate"]
    close = ["train/loss", "validation/loss", "gradient_norm"]
    for one, other in zip(ours, theirs, strict=True):
        rows, expected = one.metrics(), other.metrics()
        assert set(rows.columns) == set(expected.columns)
        pd.testing.assert_frame_equal(rows[exact], expected[exact])
        pd.testing.assert_frame_equal(rows[close], expected[close], rtol=1e-5)


def test_replicas_share_the_seconds_that_passed(tmp_path, corpus):
    records, made = together(tmp_path, corpus, config())
    assert all(record.provenance["population"] == len(TRIALS) for record in records)
    assert len({record.cost["seconds"] for record in records}) == 1
    assert all(record.cost["tokens"] == STEPS * 2 * CONTEXT for record in records)
    assert not any(directory.replica.exists() for directory in made)


def test_numbers_of_the_optimizer_may_differ_between_replicas(tmp_path, corpus):
    own = {
        1: {"weight_decay": 0.0, "clip": None, "betas": (0.8, 0.9), "rate_multiplier": 1.5},
        2: {"warmup": 0.5, "final_rate": 0.0, "epsilon": 1e-3, "clip": 0.05, "draws": "twin"},
    }
    trials = [(0.01, 1), (0.01, 2)]
    found, _ = together(tmp_path / "together", corpus, lambda rate, seed: config(own[seed]), trials)
    expected, _ = alone(tmp_path / "alone", corpus, lambda rate, seed: config(own[seed]), trials)
    compare(found, expected)


def test_models_and_data_must_be_the_same(tmp_path, corpus):
    other = {
        "model": config(norm="layernorm"),
        "data": config() | {"data": {"corpus": "another", "tokenizer": "bytes"}},
    }
    for name, settings in other.items():
        own = {1: config(), 2: settings}
        records, _ = together(tmp_path / name, corpus, lambda rate, seed, own=own: own[seed])
        assert all(record.state is State.FAILED for record in records)
        assert "train them apart" in records[0].error


@pytest.mark.parametrize("different", [{"batch_size": 4}, {"evaluations": 2}])
def test_budgets_must_be_the_same(tmp_path, corpus, different):
    records, _ = together(tmp_path, corpus, lambda rate, seed: config(different if seed == 2 else {}))
    assert all(record.state is State.FAILED for record in records)
    assert "train them apart" in records[0].error


@pytest.mark.slow
def test_a_compiled_population_is_the_same(tmp_path, corpus):
    """By the real compiler, which takes a second for each of its many loops: a model of few parts."""
    parts = {"norm": "none", "positions": "none", "feedforward": "relu"}
    found, _ = together(tmp_path / "together", corpus, config({"compile": True}, **parts))
    expected, _ = alone(tmp_path / "alone", corpus, config(**parts))
    compare(found, expected)


def combined(levels):
    """As few models as hold every level: they take seconds to compile. The n-th has each factor's n-th."""
    counts = Counter(factor for factor, _ in levels)
    places = {factor: iter(range(start, start + counts[factor])) for start, factor in enumerate(counts)}
    models = [{} for _ in range(max(counts.values()))]
    for factor, level in levels:
        models[next(places[factor]) % len(models)][factor] = level
    return models


@pytest.mark.slow
@pytest.mark.parametrize("levels", combined(LEVELS), ids=lambda levels: "-".join(map(str, levels.values())))
def test_every_level_can_be_compiled_in_a_population(tmp_path, corpus, levels, monkeypatch):
    _compile_with("aot_eager", monkeypatch)
    found, _ = together(tmp_path / "together", corpus, config({"compile": True}, **levels))
    expected, _ = alone(tmp_path / "alone", corpus, config(**levels))
    compare(found, expected)


def _compile_with(backend, monkeypatch):
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: compile_(f, backend=backend, **options))


def test_in_bf16_a_replica_is_close_to_the_trial_alone(tmp_path, corpus):
    settings = config({"precision": "bf16"})
    found, _ = together(tmp_path / "together", corpus, settings)
    expected, _ = alone(tmp_path / "alone", corpus, settings)
    compare(found, expected, tolerance=2e-3)


def test_a_replica_that_diverges_ends_and_the_others_go_on(tmp_path, corpus, monkeypatch):
    trials = [(0.01, 1), (0.01, 2), (0.01, 3)]
    initial = Population._initial
    spoil = lambda self, replica: initial(self, replica) * (math.nan if replica.seed == 2 else 1)  # noqa: E731
    monkeypatch.setattr(Population, "_initial", spoil)
    found, made = together(tmp_path / "together", corpus, config(), trials)
    assert [record.state for record in found] == [State.COMPLETE, State.DIVERGED, State.COMPLETE]
    assert "training loss became nan at step 1" in found[1].error
    assert "validation/loss" not in found[1].summary
    assert found[1].cost["tokens"] == 2 * CONTEXT
    assert not made[1].weights.exists()
    expected, _ = alone(tmp_path / "alone", corpus, config(), [trials[0], trials[2]])
    compare([found[0], found[2]], expected)


def test_a_population_of_which_all_diverge_stops(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr(Population, "_initial", lambda self, seed: torch.full((self.layout.width,), math.nan))
    found, made = together(tmp_path, corpus, config())
    assert all(record.state is State.DIVERGED for record in found)
    assert made[0].metrics()["step"].max() == 1


@pytest.mark.parametrize("stop_at", [1, 5, 7, 20])
def test_a_stopped_population_resumes(tmp_path, corpus, stop_at):
    """Where its checkpoints stand, with the seconds spent; rows that came after them are dropped."""
    settings = config(dropout=0.1)
    whole, _ = together(tmp_path / "whole", corpus, settings)
    steps = [0]
    stopped, parts = together(
        tmp_path / "parts",
        corpus,
        settings,
        report=lambda event: steps.append(event.get("step", steps[-1])),
        should_stop=lambda: steps[-1] >= stop_at,
    )
    assert all(record.state is State.RUNNING for record in stopped)
    _, checkpoint = load_replica(parts[0].replica)
    with open(parts[0].path / "metrics.jsonl", "a") as file:
        file.write('{"step": 99, "tokens": 3168, "flops": 1.0, "seconds": 9.0, "train/loss": 9.0}\n')
    resumed, made = together(tmp_path / "parts", corpus, settings)
    compare(resumed, whole, tolerance=1e-6)
    assert [record.text_losses["nats"] for record in resumed] == [
        pytest.approx(record.text_losses["nats"], rel=1e-6) for record in whole
    ]
    assert all(record.attempts == 2 for record in resumed)
    assert all(record.cost["seconds"] >= round(checkpoint["seconds"], 3) for record in resumed)
    assert made[0].metrics()["step"].is_monotonic_increasing
    assert (made[0].metrics()["train/loss"].notna()).sum() == STEPS


def test_a_part_of_a_stopped_population_may_go_on_by_itself(tmp_path, corpus):
    whole, _ = together(tmp_path / "whole", corpus, config())
    events = []
    together(tmp_path / "parts", corpus, config(), report=events.append, should_stop=lambda: len(events) > 20)
    first, _ = together(tmp_path / "parts", corpus, config(), TRIALS[:1])
    rest, _ = together(tmp_path / "parts", corpus, config(), TRIALS[1:])
    compare(first + rest, whole, tolerance=1e-6)


def test_every_event_names_its_run(tmp_path, corpus):
    events = []
    together(tmp_path, corpus, config(), report=events.append)
    names = {f"{rate}-{seed}" for rate, seed in TRIALS}
    assert {event["run_id"] for event in events} == names
    assert sum(event["event"] == "evaluation" for event in events) == 4 * len(TRIALS)


def test_halving_stops_the_worse_rates_at_the_rungs(tmp_path, corpus):
    trials = [(rate, seed) for seed in (1, 2) for rate in (1e-5, 1e-4, 1e-3, 1e-2)]  # as a plan orders them
    halving = Halving(candidates=4, metric="validation/loss")
    often = config({"evaluations": 10})  # every second of 20 steps
    found, made = together(tmp_path, corpus, often, trials, halving=halving)
    assert not [record.error for record in found if record.state is State.FAILED]
    states = [record.state for record in found]
    assert states == [*[State.PRUNED] * 3, State.COMPLETE] * 2
    assert [int(record.progress["step"]) for record in found] == [12, 12, 16, 20] * 2
    assert "not among the best 2 of 4 by validation/loss" in found[0].error
    assert found[0].cost["seconds"] < found[-1].cost["seconds"]
    expected, _ = alone(tmp_path / "alone", corpus, often, trials[3::4])
    compare(found[3::4], expected)
    assert not any(directory.replica.exists() for directory in made)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("cosine", (55, 75)),  # at step 55 half of the fall has passed
        ("linear", (55, 80)),  # its last quarter begins at step 77
        ({"name": "wsd", "decay": 0.2}, (85, 95)),
        ("constant", (50, 75)),
        ("inverse_sqrt", (50, 75)),
    ],
)
def test_rungs_wait_for_the_steps_and_for_the_schedule(schedule, expected):
    training = TrainingConfig(tokens=1_000, batch_size=1, schedule=schedule, warmup=0.1, final_rate=0.1)
    assert rungs(100, 5, training) == expected


def rates_that_halving_keeps(study, variant, at):
    """Which of the published tuning rates of ``variant`` (last seed) would go on beyond the steps ``at``."""
    tune = study.runs[(study.runs["phase"] == "tune") & (study.runs["variant"] == variant)]
    curves = {}
    for run in tune.to_dict("records"):
        curve = read_evaluations(Path(run["path"]), "validation/loss")
        curves[run["learning_rate"]] = dict(zip(curve["step"], curve["validation/loss"], strict=True))
    halving, left = Halving(candidates=len(curves), metric="validation/loss"), sorted(curves)
    best = min(left, key=lambda rate: curves[rate][100])
    for step in at:
        keep = halving.survivors(step, at, 100)
        lost = halving.losers([(rate,) for rate in left], [curves[rate][step] for rate in left], keep)
        left = [rate for place, rate in enumerate(left) if place not in lost]
    return best, left


def test_published_curves_keep_their_best_rate_where_rungs_at_a_quarter_lost_one():
    study = load_study(Path(__file__).parents[3] / "results" / "published" / "positions")
    training = TrainingConfig(tokens=study.manifest.training["tokens"], batch_size=16)
    now = rungs(100, 10, training)
    assert now == (60, 80)
    dropped = []
    for variant in study.manifest.names:
        best, left = rates_that_halving_keeps(study, variant, (30, 50))  # as halving was at first
        dropped += [variant] if best not in left else []
        best, left = rates_that_halving_keeps(study, variant, now)
        assert left == [best], variant
    assert dropped == ["positions=alibi"]


def test_halving_ranks_by_mean_and_keeps_rates_together():
    halving = Halving(candidates=3, metric="validation/loss")
    rates, losses = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0], [1.0, 9.0, 4.0, 4.5, 1.0, math.nan]
    assert [halving.survivors(step, (55, 75), 100) for step in (50, 55, 75, 100)] == [None, 2, 1, None]
    assert halving.survivors(80, (80, 80), 100) == 1  # both rungs at once
    assert halving.survivors(100, (100, 100), 100) is None  # at the end there is nothing to stop
    keeps_three = Halving(candidates=8, metric="validation/loss", least=3)
    assert [keeps_three.survivors(step, (55, 75), 100) for step in (55, 75)] == [4, 3]
    assert halving.losers(rates, losses, 2) == [4, 5]
    assert halving.losers(rates, losses, 1) == [0, 1, 4, 5]
    assert halving.losers([2.0, 1.0], [3.0, 3.0], 1) == [0]  # of equal rates the smaller goes on


def test_a_replica_that_is_masked_is_set_to_zero_and_stays_there():
    training = TrainingConfig(tokens=64, batch_size=2).resolve("cpu")
    replicas = [Replica(training=training, learning_rate=0.01, seed=seed) for seed in (1, 2)]
    model = preset("llama", vocabulary=19, context=8, layers=1, width=16, heads=2)
    population = Population(model, replicas, steps=10)
    population.prepare()
    optimizer = population.configure_optimizers()
    population.flat_parameters.data[1] = math.nan
    population.mask(1)
    tokens = torch.ones(2, 2, 8, dtype=torch.long)  # (R, B, T)
    population.training_step((tokens, tokens), 0)["loss"].backward()
    optimizer.step()
    assert population.flat_parameters[1].count_nonzero() == 0
    assert population.flat_parameters.isfinite().all()


@pytest.mark.parametrize("clip", [None, 0.5, 1e6])
def test_each_replica_is_clipped_as_torch_clips_and_steps_as_adamw_steps(clip):
    """A gradient below the limit is left as it is; the moments show it, the step hardly would."""
    training = TrainingConfig(tokens=64, batch_size=2, clip=clip).resolve("cpu")
    rows = nn.Parameter(torch.randn(3, 7, generator=generator("rows")))  # (R, P)
    rates = lambda step: [0.1, 0.2, 0.3]  # noqa: E731
    matrix = FlatLayout(nn.Linear(7, 1, bias=False))  # which is decayed
    ours = ReplicatedAdamW(rows, matrix, optimizer_config(training), [training] * 3, rates)
    theirs = [nn.Parameter(row.detach().clone()) for row in rows]
    adamw = [
        build_optimizer(_Held(row), training, rate) for row, rate in zip(theirs, (0.1, 0.2, 0.3), strict=True)
    ]
    for step in range(3):
        rows.grad = torch.randn(3, 7, generator=generator("gradient", step))
        for row, gradient, optimizer in zip(theirs, rows.grad.clone(), adamw, strict=True):
            row.grad = gradient
            nn.utils.clip_grad_norm_([row], clip or math.inf)
            optimizer.param_groups[0]["weight_decay"] = training.weight_decay  # a vector here, yet decayed
            optimizer.step()
        ours.step()
    torch.testing.assert_close(rows.detach(), torch.stack([row.detach() for row in theirs]))
    moments = [optimizer.state[row]["exp_avg"] for row, optimizer in zip(theirs, adamw, strict=True)]
    torch.testing.assert_close(ours.moments["mean"], torch.stack(moments))


class _Held(nn.Module):
    def __init__(self, row):
        super().__init__()
        self.row = row


def test_each_replicas_own_decoder_is_measured(tmp_path, corpus):
    seen = {}

    def measuring(run):
        def measure(decoder, step):
            seen[run.record.run_id, step] = decoder.token_embedding.weight.detach().clone()

        return ScheduledMeasuring(steps=frozenset({0, 3, STEPS}), measure=measure)

    _, made = together(tmp_path, corpus, config(), measuring=measuring)
    assert len(seen) == 3 * len(TRIALS)
    for directory in made:
        expected = load_file(directory.weights)["token_embedding.weight"]
        torch.testing.assert_close(seen[directory.run_id, STEPS], expected)


def test_want_of_memory_is_no_outcome_of_a_population(tmp_path, corpus, monkeypatch):
    def hungry(self, batch, index):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Population, "training_step", hungry)
    with pytest.raises(TooLarge):
        together(tmp_path / "many", corpus, config())
    assert RunDirectory(tmp_path / "many" / "runs" / "0.01-1").read().state is State.RUNNING
    with pytest.raises(torch.OutOfMemoryError):  # perhaps others needed the memory: it is tried once more
        together(tmp_path / "one", corpus, config(), TRIALS[:1])
    found, _ = together(tmp_path / "one", corpus, config(), TRIALS[:1])
    assert found[0].state is State.FAILED
    assert "out of memory" in found[0].error


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_population_in_bf16_compiled(tmp_path, corpus):
    settings = config()
    options = TrainingConfig(tokens=STEPS * 2 * CONTEXT, batch_size=2, evaluations=4, evaluation_tokens=128)
    settings["training"] = options.resolve("cuda").model_dump(mode="json") | {"device": "cuda"}
    found, _ = together(tmp_path / "together", corpus, settings)
    expected, _ = alone(tmp_path / "alone", corpus, settings)
    compare(found, expected, tolerance=2e-2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("positions", ["rope", "alibi", "t5_bias"])  # the flash kernel takes no bias
def test_a_gpu_population_with_every_kernel_of_attention(tmp_path, corpus, precision, positions):
    settings = config(positions=positions)
    options = TrainingConfig(
        tokens=STEPS * 2 * CONTEXT,
        batch_size=2,
        evaluations=4,
        evaluation_tokens=128,
        precision=precision,
        compile=False,
    )
    settings["training"] = options.resolve("cuda").model_dump(mode="json") | {"device": "cuda"}
    found, _ = together(tmp_path / "together", corpus, settings)
    expected, _ = alone(tmp_path / "alone", corpus, settings)
    compare(found, expected, tolerance=2e-2 if precision == "bf16" else 1e-3)
