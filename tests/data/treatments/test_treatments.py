"""Treatments of training text: what each keeps and changes, what is never treated, and errors."""

import json
import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from tests.data.treatments.pools import everything, prose
from workbench.data.corpora import corpus_config, treated, untreated
from workbench.data.documents import load_documents
from workbench.data.treatments.registry import TREATMENTS, treatment_config
from workbench.data.treatments.tally import Tally
from workbench.data.treatments.treatment import Resources
from workbench.errors import UserError

LICENCE = "# Licensed to whoever reads this line\n"
DOCUMENTS = [f"{LICENCE}value {number} is {number * number}\n\tand text {number}\n" for number in range(40)]
POOL = everything()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pool")
    for number, text in enumerate(DOCUMENTS):
        (place / f"{number:02}.txt").write_text(text)
    return {"path": str(place)}


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """The corpus of a pool in which every treatment finds something."""
    place = tmp_path_factory.mktemp("everything")
    for number, text in enumerate(POOL):
        (place / f"{number:02}.txt").write_text(text)
    return {"path": str(place), "copies": "keep"}


def texts_of(treatment, documents):
    return [outcome.text for outcome in treatment.apply(documents)]


def spec_of(kind, folder):
    """The treatment with nothing but what it needs."""
    needed = {
        "half": {"side": "a"},
        "classifier": {"positives": folder, "share": 0.5},
        "boilerplate": {"source": folder},
    }
    return {"name": kind.name, **needed.get(kind.name, {})}


@pytest.fixture(scope="module", params=TREATMENTS, ids=lambda kind: kind.name)
def spec(request, folder):
    return spec_of(request.param, folder)


@pytest.fixture(scope="module")
def plain(pool):
    return load_documents(corpus_config(pool))


def test_each_depends_on_the_documents_alone_and_gives_an_outcome_for_each(spec):
    treatment = treatment_config(spec)
    resources = Resources(dict.fromkeys(treatment.references(), POOL[::2]))
    once = list(treatment.apply(POOL, resources))
    assert once == list(treatment.apply(POOL, resources))
    assert len(once) == len(POOL)
    for before, outcome in zip(POOL, once, strict=True):
        assert (outcome.text is before) == (outcome.rule == "")
    assert treatment_config(treatment.spec()) == treatment
    assert json.loads(json.dumps(treatment.spec())) == treatment.spec()
    assert treatment.__doc__.strip().endswith(".")


@pytest.mark.parametrize(
    "spec",
    [
        *("as_is", "shuffled_words", "gopher", "c4", "fineweb", "code", "byte_noise"),
        {"name": "half", "side": "b"},
    ],
    ids=str,
)
def test_what_befalls_a_document_depends_on_no_other(spec):
    treatment = treatment_config(spec)
    whole = list(treatment.apply(DOCUMENTS))
    assert list(treatment.apply(DOCUMENTS[1:])) == whole[1:]


def test_a_treatment_that_reads_a_corpus_by_default_names_one_that_there_is():
    found = {}
    for kind in TREATMENTS:
        if any(field.is_required() for field in kind.model_fields.values()):
            continue
        found |= {f"{kind.name}.{option}": spec for option, spec in kind().references().items()}
    assert found.keys() == {"boilerplate.source"}
    assert corpus_config(found["boilerplate.source"]).spec()["generated_files"] == "only"


def test_validation_text_is_never_treated(spec, pool, plain):
    own = load_documents(corpus_config(pool | {"treatment": spec}))
    if spec["name"] == "as_is":
        assert own == plain
        return
    assert own.validation == plain.validation
    assert own.train != plain.train
    assert own.fingerprint != plain.fingerprint
    assert spec["name"] in own.description
    assert spec["name"] not in plain.description
    [stage] = own.stages
    assert stage["name"] == spec["name"]
    assert stage["documents"] == len(plain.train)
    assert stage["documents_left"] == len(own.train)
    assert stage["documents"] - stage["documents_left"] == sum(
        rule["dropped"] for rule in stage["rules"].values()
    )
    assert stage["bytes"] - stage["bytes_left"] == sum(rule["bytes"] for rule in stage["rules"].values())
    # A document is known by what it was, whatever was done to it.
    assert set(own.train_keys) <= set(plain.train_keys)
    assert own.train_keys == sorted(own.train_keys, key=plain.train_keys.index)
    assert len(own.train_keys) == len(own.train)


def test_the_treated_text_is_the_same_in_every_process(folder, pool):
    """Whatever Python's own hashes are there; in one process for all, since each begins with torch."""
    specs = [pool | {"treatment": spec_of(kind, folder)} for kind in TREATMENTS]
    program = (
        "import json, sys\n"
        "from workbench.data.corpora import corpus_config\n"
        "from workbench.data.documents import load_documents\n"
        "found = [load_documents(corpus_config(spec)) for spec in json.load(sys.stdin)]\n"
        "print(json.dumps([documents.fingerprint for documents in found]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(specs),
        env=os.environ | {"PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [load_documents(corpus_config(spec)).fingerprint for spec in specs]


def test_two_halves_share_no_document_and_leave_none_out():
    draw = random.Random(29)
    documents = [prose(draw, draw.randint(20, 200)) for _ in range(2_000)]
    sizes = []
    halves = []
    for side in ("a", "b"):
        treatment = treatment_config({"name": "half", "side": side})
        tally = Tally("half")
        halves.append(tally.keep(documents, treatment.apply(documents)))
        counts = tally.to_dict()
        assert counts["rules"].keys() == {"other_half"}
        assert counts["rules"]["other_half"]["dropped"] == len(documents) - len(halves[-1])
        sizes.append(counts["bytes_left"])
    assert sorted(halves[0] + halves[1]) == list(range(len(documents)))
    assert sum(sizes) == sum(map(len, documents))
    assert sizes[0] / sizes[1] == pytest.approx(1, abs=0.1)


def test_copies_are_in_one_half_and_the_side_is_named():
    copies = [spaced for text in DOCUMENTS for spaced in (text, f"\n{text}  ")]
    left = texts_of(treatment_config({"name": "half", "side": "a"}), copies)
    assert [bool(text) for text in left[::2]] == [bool(text) for text in left[1::2]]
    assert treatment_config({"name": "half", "side": "a"}).label == "half(side=a)"
    with pytest.raises(UserError, match="side: this key is needed and missing"):
        treatment_config("half")


def test_line_dedup_leaves_out_what_is_repeated():
    texts = [
        "a line that is long enough\nx\n",
        "  a line that is long enough\r\nx\n",
        "another line, once only\nx\n",
    ]
    treatment = treatment_config({"name": "line_dedup", "times": 2})
    assert texts_of(treatment, texts) == ["x\n", "x\n", "another line, once only\nx\n"]  # short lines stay
    assert texts_of(treatment_config({"name": "line_dedup", "times": 3}), texts) == texts
    shorter = treatment_config({"name": "line_dedup", "times": 3, "shortest": 1})
    assert texts_of(shorter, texts) == [text.removesuffix("x\n") for text in texts]


def test_shuffled_words_keep_the_words_and_the_white_space():
    shuffled = texts_of(treatment_config({"name": "shuffled_words", "share": 1}), DOCUMENTS)
    for before, after in zip(DOCUMENTS, shuffled, strict=True):
        assert Counter(before.split()) == Counter(after.split())
        assert after.count("\n\t") == 1
        assert len(after) == len(before)
    assert sum(before != after for before, after in zip(DOCUMENTS, shuffled, strict=True)) == len(DOCUMENTS)


def test_a_larger_dose_shuffles_the_same_documents_and_more():
    changed = []
    for share in (0.2, 0.6):
        treatment = treatment_config({"name": "shuffled_words", "share": share})
        pairs = zip(DOCUMENTS, texts_of(treatment, DOCUMENTS), strict=True)
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
        ({"share": 0.3}, r"data\.corpus\.treatment: unknown treatment None; Known: as_is, exact_dedup"),
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
