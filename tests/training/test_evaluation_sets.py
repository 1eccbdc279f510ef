"""Named evaluation sets: every run is judged on their texts: alone, in a population, after a resume."""

import math

import pytest
import torch
from safetensors.torch import save_file

from tests.training.population.test_population import alone, compare, config, directories, together
from workbench.data.batches import TextBatches
from workbench.data.cache import cache_directory
from workbench.data.evaluation_text import evaluation_text
from workbench.errors import UserError
from workbench.files import file_sha256
from workbench.model.decoder import Decoder
from workbench.model.presets import preset
from workbench.model.weights import plain_tensors
from workbench.records.run import State
from workbench.training import module
from workbench.training.population import population
from workbench.training.population.halving import Halving
from workbench.training.population.trial import run_population
from workbench.training.run import Watcher
from workbench.training.starting_weights import STARTING_WEIGHTS
from workbench.training.trained_decoder import load_decoder
from workbench.training.trial import run_trial

METRICS = {"validation/loss", "validation/bits_per_byte", "prose/bits_per_byte", "code/bits_per_byte"}
TRIALS = [(0.01, 1), (0.003, 2)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three sources, each of a few documents."""
    root = tmp_path_factory.mktemp("sources")
    contents = {
        "own": "line {} {}\n",
        "prose": "Once upon a time, {} été plus {}.\n",
        "code": "def f_{}(x):\n    return {}\n",
    }
    for name, content in contents.items():
        (root / name).mkdir()
        for index in range(6):
            text = "".join(content.format(index, number) for number in range(40))
            (root / name / f"{index}.txt").write_text(text, encoding="utf-8")
    return root


def entry(name, folder, max_bytes=500):
    corpus = {"path": str(folder), "validation_fraction": 1}
    text = evaluation_text(corpus, max_bytes, cache_directory())
    return {"name": name, "corpus": text.corpus, "max_bytes": max_bytes, "fingerprint": text.fingerprint}


def text_of(entry):
    return evaluation_text(entry["corpus"], entry["max_bytes"], cache_directory())


@pytest.fixture
def judged(folders):
    """A run's configuration with three named sets; the first is not called as its folder."""
    names = {"in_domain": "own", "prose": "prose", "code": "code"}
    entries = [entry(name, folders / folder) for name, folder in names.items()]
    settings = config()
    return settings | {"data": settings["data"] | {"evaluation": entries}}


def nats(decoder, text, tokenizer):
    """The sum over all targets, window by window and in one loop, in float64."""
    batches = TextBatches(text, tokenizer, decoder.config.context, 1)
    total = 0.0
    for inputs, targets, *_ in batches:
        scores = decoder(inputs)[0].double().log_softmax(-1)  # (T, V)
        total -= float(scores.gather(1, targets[0][:, None]).sum())
    return total, batches.tokens


def test_a_run_has_the_loss_of_the_first_set_and_bits_per_byte_of_each(tmp_path, corpus, judged):
    heard = []
    [directory, _] = directories(tmp_path, judged, TRIALS)
    record = run_trial(directory, lambda data: corpus, Watcher(report=heard.append))
    assert record.state is State.COMPLETE
    assert METRICS | {"train/loss"} == set(record.summary)
    decoder = load_decoder(directory)
    first, *others = judged["data"]["evaluation"]
    with torch.no_grad():
        total, tokens = nats(decoder, text_of(first), corpus.tokenizer)
        assert record.summary["validation/loss"] == pytest.approx(total / tokens, rel=1e-5)
        expected = total / math.log(2) / text_of(first).bytes
        assert record.summary["validation/bits_per_byte"] == pytest.approx(expected, rel=1e-5)
        for other in others:
            total, _ = nats(decoder, text_of(other), corpus.tokenizer)
            expected = total / math.log(2) / text_of(other).bytes
            assert record.summary[f"{other['name']}/bits_per_byte"] == pytest.approx(expected, rel=1e-5)
    events = [event for event in heard if event["event"] == "evaluation"]
    assert all(set(event["validation"]) == METRICS for event in events)
    table = directory.metrics()
    evaluated = table[table["validation/loss"].notna()]
    assert len(evaluated) == len(events) == 4
    for name in METRICS:
        assert evaluated[name].iloc[-1] == record.summary[name]
        assert table[name].notna().sum() == 4


def test_a_resumed_run_has_the_same_numbers(tmp_path, corpus, judged):
    [whole, *_], _ = alone(tmp_path / "whole", corpus, judged, TRIALS[:1])
    [directory] = directories(tmp_path / "stopped", judged, TRIALS[:1])
    steps = [0]
    watcher = Watcher(
        report=lambda event: steps.append(event.get("step", 0)), should_stop=lambda: max(steps) >= 7
    )
    stopped = run_trial(directory, lambda data: corpus, watcher)
    assert stopped.state is State.RUNNING
    resumed = run_trial(directory, lambda data: corpus, Watcher())
    assert resumed.summary == whole.summary


def test_a_population_is_judged_as_its_trials_alone_are(tmp_path, corpus, judged):
    expected, _ = alone(tmp_path / "alone", corpus, judged, TRIALS)
    found, made = together(tmp_path / "together", corpus, judged, TRIALS)
    compare(found, expected)
    assert set(found[0].summary) >= METRICS
    assert set(made[0].metrics().columns) >= METRICS


def test_a_population_that_was_stopped_goes_on_to_the_same_numbers(tmp_path, corpus, judged):
    expected, _ = together(tmp_path / "whole", corpus, judged, TRIALS)
    steps = [0]
    options = {
        "report": lambda event: steps.append(event.get("step", 0)),
        "should_stop": lambda: max(steps) >= 7,
    }
    stopped, _ = together(tmp_path / "stopped", corpus, judged, TRIALS, **options)
    assert all(record.state is State.RUNNING for record in stopped)
    found, _ = together(tmp_path / "stopped", corpus, judged, TRIALS)
    compare(found, expected)


def test_halving_goes_by_the_first_set_or_by_another_that_is_asked_for(tmp_path, corpus, judged):
    trials = [(rate, 1) for rate in (0.03, 0.01, 1e-5, 1e-6)]
    for metric in ("validation/bits_per_byte", "prose/bits_per_byte"):
        halving = Halving(candidates=4, metric=metric)
        found, _ = together(tmp_path / metric, corpus, judged, trials, halving=halving)
        assert [record.state for record in found[2:]] == [State.PRUNED] * 2
        assert sum(record.state is State.COMPLETE for record in found) == 1
        assert all(set(record.summary) >= METRICS for record in found)


def test_a_run_that_starts_from_weights_is_judged_before_its_first_step(tmp_path, corpus, judged):
    for place in ("alone", "together"):
        (tmp_path / place).mkdir()
        source = Decoder(preset("llama", vocabulary=257, context=16, layers=1, width=16, heads=2))
        source.initialize(5)
        weights = tmp_path / place / STARTING_WEIGHTS
        save_file(plain_tensors(source), weights)
    settings = judged | {"start": {"run_id": "x", "sha256": file_sha256(weights)}}
    _, one = alone(tmp_path / "alone", corpus, settings, TRIALS[:1])
    _, two = together(tmp_path / "together", corpus, settings, TRIALS)
    for directory in (one[0], two[0]):
        row = directory.metrics().iloc[0]
        assert row["step"] == 0
        with torch.no_grad():
            total, _ = nats(source, text_of(judged["data"]["evaluation"][1]), corpus.tokenizer)
        bytes_ = text_of(judged["data"]["evaluation"][1]).bytes
        assert row["prose/bits_per_byte"] == pytest.approx(total / math.log(2) / bytes_, rel=1e-5)


def test_a_text_that_changed_is_no_outcome(tmp_path, corpus, judged):
    entries = judged["data"]["evaluation"]
    entries[1] = entries[1] | {"fingerprint": "of another text"}
    made = directories(tmp_path, judged, TRIALS)
    expected = r"^data\.evaluation\.prose: the text changed since the study began; run the study again$"
    with pytest.raises(UserError, match=expected):
        run_trial(made[0], lambda data: corpus, Watcher())
    with pytest.raises(UserError, match=expected):
        run_population(made, lambda data: corpus, Watcher())
    assert all(directory.read().state is State.QUEUED for directory in made)


def test_a_source_that_is_gone_is_no_outcome(tmp_path, corpus, judged):
    entries = judged["data"]["evaluation"]
    entries[2] = entries[2] | {"corpus": {"path": str(tmp_path / "gone")}}
    [directory] = directories(tmp_path, judged, TRIALS[:1])
    with pytest.raises(UserError, match=r"^data\.evaluation\.code\.path: "):
        run_trial(directory, lambda data: corpus, Watcher())
    assert directory.read().state is State.QUEUED


def test_a_last_window_that_is_shorter_is_not_compiled_for(tmp_path, corpus, judged, monkeypatch):
    """``torch.compile`` takes up to a minute for each shape, and these are one window of a set."""
    compiled = []

    def noting(function, training):
        def called(*arguments):
            compiled.append(arguments[-1].shape[-1])
            return function(*arguments)

        return called

    assert any(text_of(one).bytes % 16 for one in judged["data"]["evaluation"])
    for room in (module, population):
        monkeypatch.setattr(room, "compiled", noting)
    [record, *_], _ = alone(tmp_path / "alone", corpus, judged, TRIALS[:1])
    assert record.state is State.COMPLETE
    assert set(compiled) == {16}
    compiled.clear()
    compare(together(tmp_path / "together", corpus, judged, TRIALS[:1])[0], [record])
    assert set(compiled) == {16}
