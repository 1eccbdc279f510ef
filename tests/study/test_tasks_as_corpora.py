"""A study that trains on a generated task, or is judged on some: what it means, and what is refused."""

import re
from pathlib import Path

import pytest

from workbench.errors import UserError
from workbench.study.plan import Plan
from workbench.study.schema import load_study_file, parse_study
from workbench.study.texts import PreparedTexts

RECALL = {"generated": "recall", "length": 16, "pairs": 2, "vocabulary": 20, "sequences": 300}
STUDY = {
    "name": "tasks",
    "question": "which positions recall?",
    "size": {"layers": 1, "width": 16, "heads": 2},
    "context": 32,
    "factors": {"positions": ["rope", "none"]},
    "data": {"corpus": RECALL},
    "training": {"tokens": 2_000, "batch_size": 2, "evaluations": 2, "evaluation_tokens": 640},
    "learning_rates": [0.01],
    "seeds": {"pilot": 0, "tune": 0, "confirm": 2},
    "metric": "recall/error",
    "margin": 0.1,
}


def study(data=(), **changes):
    return parse_study(STUDY | {"data": {"corpus": RECALL} | dict(data)} | changes, "study.yaml")


@pytest.fixture
def plan(tmp_path):
    def build(data=(), **changes):
        found = study(data, **changes)
        return Plan.build(found, PreparedTexts(found.data.corpus, tmp_path), "cpu")

    return build


def message(build, *arguments, **changes):
    with pytest.raises(UserError) as error:
        build(*arguments, **changes)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_task_has_its_ids_for_tokens_and_is_judged_on_what_it_holds_out(plan):
    whole = plan()
    assert whole.study.data.tokenizer == {"ids": 20}
    assert [variant.model.vocabulary for variant in whole.variants] == [21, 21]
    data = whole.config(whole.baseline)["data"]
    assert data["tokenizer"] == {"ids": 20}
    [judged] = data["evaluation"]
    assert judged["name"] == "recall"
    assert judged["corpus"]["pairs"] == 2
    described = whole.manifest("").evaluation[0]
    assert described.is_task
    assert described.description == "30 sequences of generated recall of 16 tokens, chance 0.5"


def test_several_tasks_share_a_vocabulary_that_has_room_for_all(plan):
    induction = {"generated": "induction", "length": 32, "longest": 8, "vocabulary": 50}
    whole = plan({"evaluation": {"recall": RECALL, "longer": RECALL | {"length": 32}, "other": induction}})
    assert whole.study.data.tokenizer == {"ids": 50}
    assert list(whole.evaluation) == ["recall", "longer", "other"]
    assert len(whole.evaluation["longer"].passages) == 20  # of 32 tokens, in 640


def test_tasks_are_evaluations_of_a_text_too(plan, tmp_path):
    (tmp_path / "text").mkdir()
    for number in range(8):
        (tmp_path / "text" / f"{number}.txt").write_text(f"a line of text, number {number}\n" * 40)
    own = {"path": str(tmp_path / "text")}
    sets = {
        "own": own,
        "induction": {"generated": "induction", "length": 32, "longest": 8, "vocabulary": 256},
    }
    whole = plan({"corpus": own, "evaluation": sets}, metric="induction/error")
    assert whole.study.data.tokenizer == "bytes"
    too_many = {"generated": "induction", "length": 32, "longest": 8, "vocabulary": 300}
    sets = {"own": own, "induction": too_many}
    text = message(plan, {"corpus": own, "evaluation": sets}, metric="induction/error")
    assert "has 300 ids and the model 257" in text


@pytest.mark.parametrize(
    ("data", "changes", "expected"),
    [
        ({}, {"metric": "recall/accuracy"}, "write recall/error, which is 1 - accuracy"),
        ({}, {"metric": "validation/bits_per_byte"}, "Known: validation/loss, recall/error"),
        (
            {"tokenizer": "bytes"},
            {},
            "data.tokenizer: .*tokens are the ids themselves; leave the tokenizer out",
        ),
        ({"tokenizer": {"bpe": 300}}, {}, "leave the tokenizer out"),
        ({"tokenizer": {"ids": 10}}, {}, r"has 20 ids, and the tokenizer 10; give \{ids: 20\}"),
        ({}, {"context": 24}, "context: 24 is no multiple of the 16 tokens.*give 32"),
        (
            {"evaluation": {"recall": RECALL | {"length": 64}}},
            {},
            "longer than the context, 32; raise the context to 64",
        ),
        (
            {"evaluation": {"recall": RECALL, "code": "python-stdlib"}},
            {},
            "is no token: .* of a generated task",
        ),
        (
            {},
            {"factors": {"treatment": ["as_is", "line_dedup"]}},
            "data.corpus.treatment: is for corpora of text",
        ),
        ({"corpus": RECALL | {"pairs": 9}}, {}, "data.corpus: .*pairs: 9 pairs"),
        ({"corpus": {"generated": "recal"}}, {"metric": "validation/loss"}, "did you mean 'recall'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(plan, data, changes, expected):
    text = message(plan, data, **changes)
    assert re.search(expected, text), text


def test_a_task_may_be_judged_on_any_share_but_modular_addition_on_what_it_holds_out(plan):
    plan({"evaluation": {"recall": RECALL | {"validation_fraction": 1}}})
    addition = {"generated": "modular_addition", "modulus": 7}
    changes = {"context": 5, "metric": "addition/error"}
    plan({"corpus": addition, "evaluation": {"addition": addition | {"validation_fraction": 0.2}}}, **changes)
    more = {"corpus": addition, "evaluation": {"addition": addition | {"validation_fraction": 0.9}}}
    assert "would judge on text that baseline trains on" in message(plan, more, **changes)


def test_text_has_no_ids(tmp_path, plan):
    (tmp_path / "a.txt").write_text("some words\n" * 200)
    data = {"corpus": {"path": str(tmp_path / "a.txt")}, "tokenizer": {"ids": 10}}
    assert "'some' is no token" in message(plan, data, metric="validation/loss")


def test_the_study_that_is_shipped_trains_on_recall_and_asks_beyond_it():
    shipped = load_study_file(Path("tasks"))
    assert shipped.metric == "recall/error"
    assert next(iter(shipped.data.evaluation)) == "recall"
    assert shipped.data.evaluation["recall"] == shipped.data.corpus
    assert shipped.window % shipped.data.corpus["length"] == 0
