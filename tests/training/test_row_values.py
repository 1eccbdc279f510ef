"""What a row says is what its own step did: compared with the same training written by hand."""

import math

import pandas as pd
import pytest
import torch

from workbench.data.batches import TrainingBatches
from workbench.model.decoder import Decoder
from workbench.model.presets import preset
from workbench.records.run import RunDirectory, RunRecord, State
from workbench.training.config import TrainingConfig
from workbench.training.population.halving import Halving
from workbench.training.population.replica_file import load_replica, save_replica
from workbench.training.population.trial import run_population
from workbench.training.run import Watcher
from workbench.training.trial import run_trial

CONTEXT, STEPS = 16, 12
MODEL = preset("llama", vocabulary=257, context=CONTEXT, layers=1, width=16, heads=2)
SCHEDULES = [
    {},
    {"warmup": 0.0},
    {"warmup": 0.5, "final_rate": 0.0, "clip": 0.05},
    {"warmup": 0.18, "final_rate": 1.0, "clip": None},
]


def options(**changes):
    own = {"tokens": STEPS * 2 * CONTEXT, "batch_size": 2, "evaluations": 4, "evaluation_tokens": 128}
    return TrainingConfig(**(own | changes)).resolve("cpu")


def made(folder, trials):
    """A directory for each (training, learning rate, seed)."""
    directories = []
    for number, (training, rate, seed) in enumerate(trials):
        directory = RunDirectory(folder / "runs" / f"run{number}")
        directory.write(
            RunRecord(
                run_id=directory.run_id,
                study="s",
                variant="v",
                phase="tune",
                seed=seed,
                hyperparameters={"learning_rate": rate},
                config={
                    "model": MODEL.to_dict(),
                    "data": {"corpus": "unused", "tokenizer": "bytes"},
                    "training": training.model_dump(mode="json") | {"device": "cpu"},
                },
            )
        )
        directories.append(directory)
    return directories


def train(directories, corpus, **watched):
    read = lambda data: corpus  # noqa: E731
    if len(directories) == 1:
        return [run_trial(directories[0], read, Watcher(**watched))]
    return run_population(directories, read, Watcher(**watched))


def rate_of(step, peak, training):
    """The learning rate of a step, counted from 1."""
    warmup = round(training.warmup * STEPS)
    if step <= warmup:
        return peak * step / warmup
    part = (step - 1 - warmup) / (STEPS - warmup)
    return peak * (training.final_rate + (1 - training.final_rate) * 0.5 * (1 + math.cos(math.pi * part)))


def by_hand(corpus, training, rate, seed, steps=STEPS):
    """A row for each step of a plain loop around ``torch.optim.AdamW``."""
    decoder = Decoder(MODEL)
    decoder.initialize(seed)
    parameters = list(decoder.parameters())
    groups = [
        {"params": [one for one in parameters if one.ndim >= 2], "weight_decay": training.weight_decay},
        {"params": [one for one in parameters if one.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=training.betas, eps=training.epsilon)
    batches = TrainingBatches(corpus.train, CONTEXT, training.batch_size, seed)
    rows = []
    for step in range(1, steps + 1):
        inputs, targets = batches.batch(step - 1)
        loss = torch.nn.functional.cross_entropy(decoder(inputs).flatten(0, 1), targets.flatten())
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, training.clip or math.inf)
        for group in optimizer.param_groups:
            group["lr"] = rate_of(step, rate, training)
        optimizer.step()
        optimizer.zero_grad()
        tokens = step * training.batch_size * CONTEXT
        rows.append(
            {
                "step": step,
                "tokens": tokens,
                "flops": float(tokens * MODEL.flops_per_token()),
                "train/loss": loss.item(),
                "gradient_norm": norm.item(),
                "learning_rate": group["lr"],
            }
        )
    return pd.DataFrame(rows)


def assert_rows(directory, expected, tolerance=1e-5):
    logged = directory.metrics()
    found = logged[logged["train/loss"].notna()][expected.columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, rtol=tolerance, check_dtype=False)
    assert found["learning_rate"].tolist() == pytest.approx(expected["learning_rate"].tolist(), rel=1e-12)


@pytest.mark.parametrize("changes", SCHEDULES)
def test_a_row_of_a_trial_is_of_its_own_step(tmp_path, corpus, changes):
    training = options(**changes)
    directories = made(tmp_path, [(training, 0.01, 7)])
    train(directories, corpus)
    assert_rows(directories[0], by_hand(corpus, training, 0.01, 7))


def test_rows_of_a_population_are_of_their_own_step_and_schedule(tmp_path, corpus):
    trials = [
        (options(**changes), rate, 7)
        for changes, rate in zip(SCHEDULES, (1e-2, 3e-3, 2e-2, 1e-3), strict=True)
    ]
    directories = made(tmp_path, trials)
    train(directories, corpus)
    for directory, trial in zip(directories, trials, strict=True):
        assert_rows(directory, by_hand(corpus, *trial), tolerance=1e-4)


def test_rows_after_halving_hold_the_rates_of_those_that_are_left(tmp_path, corpus):
    trials = [(options(), rate, 7) for rate in (1e-5, 1e-4, 1e-2, 1e-3)]
    directories = made(tmp_path, trials)
    halving = Halving(candidates=4, metric="validation/loss")
    records = run_population(directories, lambda data: corpus, Watcher(), halving)
    assert [record.state for record in records].count(State.PRUNED) == 3
    for directory, record, trial in zip(directories, records, trials, strict=True):
        expected = by_hand(corpus, *trial, steps=int(record.progress["step"]))
        assert_rows(directory, expected, tolerance=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
def test_rows_of_a_compiled_training_are_of_their_own_step(tmp_path, corpus, monkeypatch, replicas):
    """Traced as for the real compiler, which takes a minute for no other rows."""
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **own: compile_(f, backend="aot_eager", **own))
    trials = [(options(compile=True), 0.01, seed) for seed in range(7, 7 + replicas)]
    directories = made(tmp_path, trials)
    train(directories, corpus)
    for directory, trial in zip(directories, trials, strict=True):
        assert_rows(directory, by_hand(corpus, *trial), tolerance=1e-4)


def as_first_written(rows):
    """Rows of the first version: each holds the rate of the step after."""
    for row in rows:
        if "learning_rate" in row:
            row["learning_rate"] = rate_of(row["step"] + 1, 0.01, options())


@pytest.mark.parametrize("stop_at", [1, 3, 5])
def test_rows_of_a_resumed_trial_are_alike_though_the_first_are_of_an_earlier_version(
    tmp_path, corpus, stop_at
):
    steps = [0]
    directories = made(tmp_path, [(options(), 0.01, 7)])
    stop = {
        "report": lambda event: steps.append(event.get("step", steps[-1])),
        "should_stop": lambda: steps[-1] >= stop_at,
    }
    assert train(directories, corpus, **stop)[0].state is State.RUNNING
    checkpoint = torch.load(directories[0].checkpoint, weights_only=True)
    as_first_written(checkpoint["rows"])
    torch.save(checkpoint, directories[0].checkpoint)
    train(directories, corpus)
    assert_rows(directories[0], by_hand(corpus, options(), 0.01, 7))


def test_rows_of_a_resumed_population_are_alike_too(tmp_path, corpus):
    steps = [0]
    directories = made(tmp_path, [(options(), 0.01, seed) for seed in (7, 8)])
    stop = {
        "report": lambda event: steps.append(event.get("step", steps[-1])),
        "should_stop": lambda: steps[-1] >= 5,
    }
    train(directories, corpus, **stop)
    for directory in directories:
        tensors, state = load_replica(directory.replica)
        as_first_written(state["rows"])
        save_replica(directory.replica, tensors, state)
    train(directories, corpus)
    for directory, seed in zip(directories, (7, 8), strict=True):
        assert_rows(directory, by_hand(corpus, options(), 0.01, seed), tolerance=1e-4)
