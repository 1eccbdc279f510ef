"""Treatments of training text: what each keeps and changes, what is never treated, and errors."""

import json
from collections import Counter

import pytest

from workbench.data.corpora import corpus_config, load_documents, treated, untreated
from workbench.data.treatments.registry import TREATMENTS, treatment_config
from workbench.errors import UserError

LICENCE = "# Licensed to whoever reads this line\n"
DOCUMENTS = [f"{LICENCE}value {number} is {number * number}\n\tand text {number}\n" for number in range(40)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pool")
    for number, text in enumerate(DOCUMENTS):
        (place / f"{number:02}.txt").write_text(text)
    return {"path": str(place)}


@pytest.mark.parametrize("kind", TREATMENTS, ids=lambda kind: kind.name)
def test_each_depends_on_the_documents_alone_and_on_no_other_document(kind, folder):
    treatment = kind()
    once = list(treatment.apply(DOCUMENTS))
    assert once == list(treatment.apply(DOCUMENTS))
    assert len(once) == len(DOCUMENTS)
    # With one document less, the others are what they were.
    assert list(treatment.apply(DOCUMENTS[1:])) == once[1:]
    assert treatment_config(treatment.spec()) == treatment
    assert json.loads(json.dumps(treatment.spec())) == treatment.spec()
    assert treatment.__doc__.endswith(".")


@pytest.mark.parametrize(
    "kind", [kind for kind in TREATMENTS if kind.name != "as_is"], ids=lambda kind: kind.name
)
def test_validation_text_is_never_treated(kind, folder):
    plain, own = (
        load_documents(corpus_config(folder)),
        load_documents(corpus_config(treated(folder, kind.name))),
    )
    assert own.validation == plain.validation
    assert own.train != plain.train
    assert own.fingerprint != plain.fingerprint
    assert kind.name in own.description
    assert kind.name not in plain.description


def test_line_dedup_leaves_out_what_is_repeated():
    texts = [
        "a line that is long enough\nx\n",
        "  a line that is long enough\r\nx\n",
        "another line, once only\nx\n",
    ]
    treatment = treatment_config({"name": "line_dedup", "times": 2})
    assert list(treatment.apply(texts)) == ["x\n", "x\n", "another line, once only\nx\n"]  # short lines stay
    assert list(treatment_config({"name": "line_dedup", "times": 3}).apply(texts)) == texts
    shorter = treatment_config({"name": "line_dedup", "times": 3, "shortest": 1})
    assert list(shorter.apply(texts)) == [text.removesuffix("x\n") for text in texts]


def test_shuffled_words_keep_the_words_and_the_white_space():
    shuffled = list(treatment_config({"name": "shuffled_words", "share": 1}).apply(DOCUMENTS))
    for before, after in zip(DOCUMENTS, shuffled, strict=True):
        assert Counter(before.split()) == Counter(after.split())
        assert after.count("\n\t") == 1
        assert len(after) == len(before)
    assert sum(before != after for before, after in zip(DOCUMENTS, shuffled, strict=True)) == len(DOCUMENTS)


def test_a_larger_dose_shuffles_the_same_documents_and_more():
    changed = []
    for share in (0.2, 0.6):
        treatment = treatment_config({"name": "shuffled_words", "share": share})
        pairs = zip(DOCUMENTS, treatment.apply(DOCUMENTS), strict=True)
        changed.append({number for number, (before, after) in enumerate(pairs) if before != after})
    assert 0 < len(changed[0]) < len(changed[1]) < len(DOCUMENTS)
    assert changed[0] < changed[1]


def test_no_treatment_is_spelt_in_one_way(folder):
    assert corpus_config(folder | {"treatment": "as_is"}) == corpus_config(folder)
    assert corpus_config(folder | {"treatment": {"name": "as_is"}}).spec() == corpus_config(folder).spec()
    assert treated("python-stdlib", "as_is") == "python-stdlib"
    assert treated(folder | {"treatment": "line_dedup"}, None) == folder
    assert untreated({"name": "python-stdlib", "treatment": "line_dedup"}) == "python-stdlib"
    spelt = {"name": "shuffled_words", "share": "3e-1"}
    assert treated(folder, spelt) == treated(folder, "shuffled_words")


@pytest.mark.parametrize(
    ("treatment", "message"),
    [
        (
            "line_dedupe",
            r"data\.corpus\.treatment: unknown treatment 'line_dedupe'; did you mean 'line_dedup'",
        ),
        ({"share": 0.3}, r"data\.corpus\.treatment: unknown treatment None; Known: as_is, line_dedup"),
        ({"name": "shuffled_words", "dose": 1}, r"treatment: dose: unknown key; .*share"),
        ({"name": "shuffled_words", "share": 0}, r"treatment: share: input should be greater than 0"),
        ({"name": "line_dedup", "times": "a few"}, r"treatment: times: "),
        ({"name": "as_is", "share": 1}, r"treatment: share: unknown key"),
        (["line_dedup"], r"treatment: unknown treatment \['line_dedup'\]"),
    ],
)
def test_what_cannot_be_is_one_error(folder, treatment, message):
    with pytest.raises(UserError, match=message):
        corpus_config(folder | {"treatment": treatment})


def test_a_treatment_that_leaves_nothing_is_refused(tmp_path):
    for number in range(20):
        (tmp_path / f"{number}.txt").write_text(
            "the same line everywhere\n" + "\n" * number + "x " * 9 + "\n" * number
        )
    spec = {"path": str(tmp_path), "treatment": {"name": "line_dedup", "times": 2, "shortest": 1}}
    with pytest.raises(UserError, match=r"treatment: line_dedup\(.*\) leaves no text to train on"):
        load_documents(corpus_config(spec))


def test_text_that_is_judged_on_is_never_treated(folder):
    with pytest.raises(UserError, match=r"data\.evaluation\.a\.treatment: text that is judged on is never"):
        corpus_config(folder | {"treatment": "line_dedup"}, "data.evaluation.a", trained_on=False)
