"""Multiple choice by log-likelihood: against a hand-computed answer, and with models from elsewhere."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from tokenizers import Tokenizer
from typer.testing import CliRunner

from tests.tiny_models import bring, save_gpt2, save_llama
from workbench.cli.main import app
from workbench.data.tokenizers import ByteTokenizer, IdTokenizer
from workbench.errors import UserError
from workbench.trained.choices import (
    METRICS,
    Question,
    RunScores,
    chosen,
    read_questions,
    render_choices,
    report_choices,
    score_question,
)
from workbench.trained.evaluate import EVALUATIONS

# What follows a token, in a language of three: written by hand. The fourth id ends a document.
FOLLOWS = {
    0: [0.1, 0.5, 0.4, 0.0],
    1: [0.3, 0.3, 0.4, 0.0],
    2: [0.05, 0.05, 0.9, 0.0],
    3: [0.6, 0.3, 0.1, 0.0],
}
QUESTION = Question(context="1 0", choices=["1", "2 2"], answer=1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))


class Bigrams:
    """A decoder that knows the table above by heart."""

    device = "cpu"
    config = SimpleNamespace(context=8, vocabulary=4)
    positions = SimpleNamespace(limit=8)

    def __init__(self):
        self.read = []

    def __call__(self, tokens):
        self.read = tokens.tolist()
        return torch.tensor([[FOLLOWS[token] for token in row] for row in self.read]).log()


def score(question, decoder=None, tokenizer=None, beginning=None):
    decoder, tokenizer = decoder or Bigrams(), tokenizer or IdTokenizer(3)
    return score_question(decoder, tokenizer, question, beginning, "line")


def test_choices_by_hand():
    first, second = score(QUESTION)
    assert first.log_likelihood == pytest.approx(math.log(0.5))
    assert second.log_likelihood == pytest.approx(math.log(0.4) + math.log(0.9))
    assert (first.bytes, first.tokens, second.bytes, second.tokens) == (1, 1, 3, 2)
    # 0.5 beats 0.36 as a sum; over 3 bytes, or 2 tokens, the second is the more likely one.
    assert chosen([first, second]) == {"accuracy": 0, "accuracy_per_byte": 1, "accuracy_per_token": 1}


def test_of_equal_choices_the_first_is_taken():
    assert set(chosen(score(Question(context="1", choices=["2", "2"], answer=0))).values()) == {0}


def test_bytes_are_those_of_the_choice_without_the_blank_before_it():
    decoder = Bigrams()
    decoder.config = SimpleNamespace(context=64, vocabulary=257)
    decoder.positions = SimpleNamespace(limit=None)
    decoder.__class__ = type("Even", (Bigrams,), {"__call__": lambda self, x: torch.zeros(*x.shape, 257)})
    found = score(Question(context="ein", choices=["Maß", "x"], answer=0), decoder, ByteTokenizer())
    assert [(one.bytes, one.tokens) for one in found] == [
        (4, 5),
        (1, 2),
    ]  # the blank is a token of the choice
    joined = Question(context="ein", choices=["Maß", "x"], answer=0, delimiter="")
    assert [one.tokens for one in score(joined, decoder, ByteTokenizer())] == [4, 1]
    blank_in_front = Question(context="ein ", choices=["Maß", "x"], answer=0, delimiter="")
    assert [one.tokens for one in score(blank_in_front, decoder, ByteTokenizer())] == [5, 2]


def test_what_is_too_long_loses_its_beginning():
    decoder = Bigrams()
    long = score(Question(context="1 1 1 1 1 1 1 1 1 1 0", choices=["1", "2 2"], answer=0), decoder)
    assert [one.log_likelihood for one in long] == [one.log_likelihood for one in score(QUESTION)]
    assert [len(row) for row in decoder.read] == [8, 8]


def test_an_empty_context_is_read_after_what_begins_or_ends_a_text():
    found = score(Question(context="", choices=["0", "1"], answer=0))
    assert found[0].log_likelihood == pytest.approx(math.log(0.6))  # after the end of a document, 3
    begun = score(Question(context="", choices=["0", "1"], answer=0), beginning=1)
    assert begun[0].log_likelihood == pytest.approx(math.log(0.3))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (" ", "line: choices: ' ' has no token"),
        ("1 " * 9, "line: choices: .* has 9 tokens and the model reads 8; shorten it"),
    ],
)
def test_choices_that_cannot_be_scored_are_refused(choice, message):
    with pytest.raises(UserError, match=message):
        score(Question(context="1", choices=[choice, "1"], answer=0))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "2: is no JSON"),
        ("[1]", "2: is no object; write"),
        ('{"context": "a", "choices": ["b", "c"]}', "2: answer"),
        ('{"context": "a", "choices": ["b"], "answer": 0}', "2: choices"),
        ('{"context": "a", "choices": ["b", ""], "answer": 0}', "2: choices.1"),
        ('{"context": "a", "choices": ["b", "c"], "answer": 2}', "beyond the 2 choices.*; give 1 or less"),
        ('{"context": "a", "choices": ["b", "c"], "answer": true}', "2: answer"),
        ('{"context": 3, "choices": ["b", "c"], "answer": 0}', "2: context"),
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path, line, message):
    path = tmp_path / "q.jsonl"
    path.write_text('{"context": "a", "choices": ["b", "c"], "answer": 0}\n' + line + "\n")
    with pytest.raises(UserError, match=message) as error:
        read_questions(path)
    assert str(error.value).startswith(f"{path}:2")


def test_a_file_that_is_missing_or_empty_is_named(tmp_path):
    with pytest.raises(UserError, match=r"--tasks: .*none.jsonl cannot be read"):
        read_questions(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(UserError, match=r"has no question; a line is \{"):
        read_questions(tmp_path / "empty.jsonl")


def answered(name, seed, right):
    run = SimpleNamespace(run_id=f"{name}{seed}")
    return RunScores(run=run, variant=name, seed=seed, right=dict.fromkeys(METRICS, right))


def test_variants_are_paired_by_seed(tmp_path):
    questions = [QUESTION] * 4
    mine = [answered("a", 1, [True] * 4), answered("a", 2, [True, True, True, False])]
    theirs = [answered("b", 2, [False, False, True, False]), answered("b", 1, [True, False, True, True])]
    facts = report_choices(tmp_path / "q", questions, mine, [*theirs, answered("b", 3, [False] * 4)])
    own = facts["difference"]["accuracy"]
    assert (facts["difference"]["over"], facts["difference"]["pairs"]) == ("seeds", 2)
    # 1 - 0.75 and 0.75 - 0.25: mean 0.375, sd 0.1768, and t(1) at 97.5 % is 12.706.
    assert own["mean"] == pytest.approx(0.375)
    assert own["interval"] == pytest.approx([0.375 - 12.7062 * 0.125, 0.375 + 12.7062 * 0.125], abs=1e-3)
    assert facts["chance"] == 0.5
    assert facts["means"]["accuracy"] == pytest.approx(0.875)
    assert "(95 %, t over 2 seeds)" in render_choices(facts)
    with pytest.raises(UserError, match="--against: no seed"):
        report_choices(tmp_path / "q", questions, mine, [answered("b", 7, [True] * 4), *theirs[:0]] * 2)


def test_two_single_runs_are_paired_by_question(tmp_path):
    mine, theirs = answered("a", 1, [True, True, False, True]), answered("b", 9, [True, False, False, False])
    facts = report_choices(tmp_path / "q", [QUESTION] * 4, [mine], [theirs])
    assert (facts["difference"]["over"], facts["difference"]["pairs"]) == ("questions", 4)
    # Differences 0, 1, 0, 1: mean 0.5, standard error 0.2887, and t(3) at 97.5 % is 3.182.
    assert facts["difference"]["accuracy"]["interval"] == pytest.approx([-0.4186, 1.4186], abs=1e-3)
    assert "says nothing of another training" in render_choices(facts)


@pytest.mark.parametrize("save", [save_llama, save_gpt2])
def test_imported_models_score_as_theirs_do(tmp_path, save):
    theirs = save(tmp_path / "model")
    tokenizer = Tokenizer.from_file(str(tmp_path / "model" / "tokenizer.json"))
    bring(tmp_path / "model", tmp_path / "results")
    lines = [
        {"context": "def f(x):\n    return", "choices": ["x + 1", "range", "if"], "answer": 0},
        {"context": "for i in", "choices": ["range(3)", "def"], "answer": 1},
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))

    def theirs_of(context, choice):
        before = tokenizer.encode(context, add_special_tokens=False).ids
        whole = tokenizer.encode(f"{context} {choice}", add_special_tokens=False).ids
        with torch.no_grad():
            found = theirs(torch.tensor([whole])).logits[0].log_softmax(-1)
        return sum(float(found[place - 1, whole[place]]) for place in range(len(before), len(whole)))

    expected = [[theirs_of(one["context"], choice) for choice in one["choices"]] for one in lines]
    best = [values.index(max(values)) == one["answer"] for values, one in zip(expected, lines, strict=True)]
    asked = ["evaluate", "imported/model", "--tasks", str(path), "--no-bos", "--json"]
    result = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "results")])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["runs"][0]["accuracy"] == pytest.approx(sum(best) / 2)
    (kept,) = json.loads(next((tmp_path / "results").rglob(EVALUATIONS)).read_text())
    assert (kept["tasks"], kept["questions"], kept["accuracy"]) == ("q.jsonl", 2, sum(best) / 2)

    from workbench.records.find import find_run
    from workbench.training.run_text import open_tokenizer
    from workbench.training.trained_decoder import load_decoder

    run = find_run(tmp_path / "results", "imported/model")
    for question, values in zip(read_questions(path), expected, strict=True):
        found = score_question(load_decoder(run), open_tokenizer(run), question, None, "line")
        assert [one.log_likelihood for one in found] == pytest.approx(values, abs=1e-3)


def test_options_of_texts_do_not_go_with_tasks(tmp_path):
    for more, message in (
        (["--tasks", "q.jsonl", "--context", "8"], "--context: is of texts"),
        (["--against", "other"], "--against: goes with --tasks"),
    ):
        result = CliRunner().invoke(app, ["evaluate", "run", *more, "--out", str(tmp_path)])
        assert message in str(result.exception or result.output)
