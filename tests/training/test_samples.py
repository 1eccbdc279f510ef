"""Text that models write while they train: the same prompts by the same draws, and nothing else moves."""

import pytest
from pydantic import ValidationError

from tests.training.population.test_population import config as population_config
from tests.training.population.test_population import together
from tests.training.test_trial import config, train
from workbench.errors import RecordError
from workbench.records.run import RunDirectory, State
from workbench.records.samples import SAMPLES, read_samples
from workbench.trained.scheduled_samples import continuation, prompts_of, schedule_samples
from workbench.training.config import TrainingConfig
from workbench.training.run import open_run
from workbench.training.trained_decoder import load_decoder

PROMPTS = ["line 3 ", "line"]
EVALUATED = [0, 4, 8, 12]


def writing(asked):
    """What ``Watcher`` takes to have runs write ``asked``."""
    return {"measuring": lambda run: schedule_samples(run, asked)}


def test_samples_move_nothing_and_are_those_of_the_finished_model(tmp_path, corpus):
    plain, without = train(tmp_path / "without", corpus, config(dropout=0.1))
    written, directory = train(tmp_path / "with", corpus, config(dropout=0.1), **writing(PROMPTS))
    assert written.summary == plain.summary
    assert directory.weights.read_bytes() == without.weights.read_bytes()
    found = read_samples(directory.path)
    assert [(one.step, one.prompt) for one in found] == [
        (step, prompt) for step in EVALUATED for prompt in PROMPTS
    ]
    assert all(one.error is None and one.text for one in found)
    decoder = load_decoder(directory)
    last = [
        continuation(decoder, corpus.tokenizer, prompt, 7, number) for number, prompt in enumerate(PROMPTS)
    ]
    assert [one.text for one in found[-2:]] == last
    assert found[0].text != found[-2].text
    assert not (without.path / SAMPLES).exists()


@pytest.mark.parametrize("stop_at", [1, 4, 11])
def test_a_resumed_run_has_each_sample_once(tmp_path, corpus, stop_at):
    _, whole = train(tmp_path / "whole", corpus, **writing(1))
    train(tmp_path / "parts", corpus, stop_at=stop_at, **writing(1))
    _, parts = train(tmp_path / "parts", corpus, **writing(1))
    assert read_samples(parts.path) == read_samples(whole.path)


def test_what_an_attempt_wrote_of_which_nothing_is_left_goes(tmp_path, corpus):
    directory = RunDirectory(tmp_path / "runs" / "run")
    directory.path.mkdir(parents=True)
    (directory.path / SAMPLES).write_text('{"step": 999, "number": 0, "prompt": "of another attempt"}\n')
    train(tmp_path, corpus, **writing(1))
    assert [one.step for one in read_samples(directory.path)] == EVALUATED


def test_each_replica_of_a_population_writes_its_own(tmp_path, corpus):
    records, made = together(tmp_path, corpus, population_config(), **writing(PROMPTS))
    assert all(record.state is State.COMPLETE for record in records)
    for directory, record in zip(made, records, strict=True):
        last = read_samples(directory.path)[-1]
        decoder = load_decoder(directory)
        assert last.text == continuation(decoder, corpus.tokenizer, PROMPTS[1], record.seed, 1)
        assert last.step == record.progress["steps"]


def test_prompts_are_beginnings_of_the_validation_text(tmp_path, corpus):
    _, directory = train(tmp_path, corpus)
    run = open_run(directory, lambda data: corpus)
    whole = corpus.tokenizer.decode(corpus.validation)
    prompts = prompts_of(run, 3)
    assert prompts[0] == whole[:8]  # half of the context
    assert len(set(prompts)) == 3
    assert all(prompt in whole for prompt in prompts)


def test_a_prompt_that_cannot_be_continued_ends_no_trial(tmp_path, corpus, monkeypatch):
    def broken(*_, **options):
        raise ValueError("a part of the user's own takes no cache")
        yield

    monkeypatch.setattr("workbench.trained.scheduled_samples.stream", broken)
    record, directory = train(tmp_path, corpus, **writing(["a"]))
    assert record.state is State.COMPLETE
    (reason,) = {one.error for one in read_samples(directory.path)}
    assert reason == "a part of the user's own takes no cache"

    def full(*_, **options):
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr("workbench.trained.scheduled_samples.stream", full)
    with pytest.raises(OSError, match="No space left"):  # the machine's fault: the trial is tried again
        train(tmp_path / "full", corpus, **writing(["a"]))


def test_a_line_that_is_being_written_is_not_read_and_a_damaged_one_is_said(tmp_path):
    path = tmp_path / SAMPLES
    path.write_text('{"step": 1, "number": 0, "prompt": "a", "text": "b"}\n{"step": 2, "num')
    assert [one.text for one in read_samples(tmp_path)] == ["b"]
    path.write_text('{"step": 1, "number": 0}\n')
    with pytest.raises(RecordError, match=r"samples\.jsonl: line 1 .*prompt.*delete the file"):
        read_samples(tmp_path)
    path.write_text("[\n")
    with pytest.raises(RecordError, match="line 1 is no line of JSON"):
        read_samples(tmp_path)


def test_asking_for_samples_is_no_part_of_what_a_run_is():
    plain = TrainingConfig(tokens=1000, batch_size=2)
    asked = TrainingConfig(tokens=1000, batch_size=2, samples=["The "])
    assert asked.samples == ("The ",)
    assert asked.model_dump() == plain.model_dump()
    assert "samples" not in plain.factors()
    for value, message in [(17, "17 are not 0 to 16"), (-1, "-1 are not"), ([""], "at least 1 character")]:
        with pytest.raises(ValidationError, match=message):
            TrainingConfig(tokens=1000, batch_size=2, samples=value)
    with pytest.raises(ValidationError, match="fsdp"):
        TrainingConfig(tokens=1000, batch_size=2, samples=1, devices=2, strategy="fsdp")
