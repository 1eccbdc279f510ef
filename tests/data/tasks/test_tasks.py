"""Every registered task, and each of them against sequences and answers that were written by hand."""

import numpy as np
import pytest
import yaml

from workbench.data.corpora import corpus_config
from workbench.data.documents import load_documents
from workbench.data.tasks.registry import TASKS, read_task, task_name
from workbench.data.tasks.task import as_text, from_text
from workbench.errors import UserError

SMALL = {
    "recall": {"length": 16, "pairs": 3, "vocabulary": 20},
    "copying": {"shortest": 2, "longest": 6, "symbols": 5},
    "induction": {"length": 12, "shortest": 2, "longest": 5, "vocabulary": 9},
    "needle": {"length": 20, "digits": 3, "vocabulary": 16},
    "dyck": {"length": 12, "kinds": 3, "depth": 3},
    "modular_addition": {"modulus": 7},
}
RECALL = {"generated": "recall"}
BOILERPLATE = {"name": "boilerplate", "source": RECALL}
NAMES = [task_name(kind) for kind in TASKS]


def task(name, **options):
    return read_task({"generated": name} | options, "data.corpus")


def small(name):
    return task(name, **SMALL[name], **({} if name == "modular_addition" else {"sequences": 200}))


def answered(found, sequences):
    """Each sequence's answers as ``{place: (token, along)}``."""
    return [
        {
            int(place): (int(sequences[row, place]), int(found.along[row, place]))
            for place in np.flatnonzero(found.scored[row])
        }
        for row in range(len(sequences))
    ]


def by_hand(config, *sequences):
    rows = np.array(sequences)
    found = config.answers(rows)
    return answered(found, rows), found.length.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_task_is_the_same_twice_and_its_splits_share_nothing(name):
    documents = small(name).documents()
    assert documents == small(name).documents()
    assert not set(documents.train) & set(documents.validation)
    assert len(documents.train) > 10
    assert len(documents.validation) > 3
    assert load_documents(small(name)) == documents
    assert len(set(documents.train_keys)) == len(documents.train)


@pytest.mark.parametrize("name", NAMES)
def test_ids_length_and_answers_are_within_what_the_task_says(name):
    config = small(name)
    sequences = from_text(config.documents().train)
    found = config.answers(sequences)
    assert sequences.shape[1] == config.tokens == found.along.shape[1]
    assert sequences.min() >= 0
    assert sequences.max() < config.ids
    assert found.scored.any(axis=1).all(), "a sequence without an answer has no loss"
    assert not found.scored[:, 0].any(), "nothing stands before the first token"
    assert 0 < config.chance < 1
    assert config.paper.startswith("arXiv")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "modular_addition"])
def test_another_seed_gives_other_sequences_and_fewer_are_the_first_of_more(name):
    first, other = small(name), small(name).model_copy(update={"seed": 1})
    assert (first.held_out(20) != other.held_out(20)).any()
    assert first.documents().fingerprint != other.documents().fingerprint


@pytest.mark.parametrize("kind", TASKS)
def test_the_example_of_a_task_is_one(kind):
    assert isinstance(corpus_config(yaml.safe_load(kind.example)), kind)


def test_recall_by_hand():
    # Keys 1 to 4, values 5 to 9: 2 -> 8, 4 -> 7; then 4 at once, and 2 four tokens later.
    config = task("recall", length=12, pairs=2, vocabulary=10)
    answers, length = by_hand(config, [2, 8, 4, 7, 4, 7, 0, 0, 2, 8, 0, 0])
    assert answers == [{5: (7, 2), 9: (8, 8)}]
    assert length == [12]
    assert config.chance == 0.5


def test_recall_asks_for_every_key_once_with_its_value():
    config = small("recall")
    for row in config.trained_on()[:50]:
        pairs = dict(zip(row[0:6:2].tolist(), row[1:6:2].tolist(), strict=True))
        assert len(pairs) == 3
        assert len(set(pairs.values())) == 3
        rest = row[6:].tolist()
        asked = {rest[place]: rest[place + 1] for place in range(0, 10, 2) if rest[place]}
        assert asked == pairs


def test_recall_asks_soon_by_a_power_law_and_anywhere_at_power_1():
    def near(power):
        config = task("recall", length=64, pairs=1, vocabulary=20, sequences=4000, power=power)
        along = config.answers(config.trained_on()).along
        return float((along[along > 0] == 2).mean())  # the first of 31 free places

    assert near(1.0) == pytest.approx(1 / 31, abs=0.02)
    weights = np.arange(1, 32) ** (0.01 - 1)
    assert near(0.01) == pytest.approx(weights[0] / weights.sum(), abs=0.03)


def test_copying_by_hand():
    # A blank is 0, the marks 1 and 2; the strings are 5 3 and 4 4 6.
    config = task("copying", shortest=2, longest=3, symbols=4)
    answers, length = by_hand(config, [1, 5, 3, 2, 5, 3, 0, 0], [1, 4, 4, 6, 2, 4, 4, 6])
    assert answers == [{4: (5, 1), 5: (3, 2)}, {5: (4, 1), 6: (4, 2), 7: (6, 3)}]
    assert length == [2, 3]
    assert (config.tokens, config.ids, config.chance) == (8, 7, 0.25)


def test_copying_repeats_its_string_and_has_every_length():
    config = small("copying")
    seen = set()
    for row in config.trained_on().tolist():
        mark = row.index(2)
        string = row[1:mark]
        assert row == [1, *string, 2, *string, *[0] * (14 - 2 - 2 * len(string))]
        seen.add(len(string))
    assert seen == {2, 3, 4, 5, 6}


def test_induction_by_hand():
    # The first token of a repeat tells that the block ended; it is no answer the first time.
    config = task("induction", length=8, shortest=2, longest=4, vocabulary=9)
    answers, length = by_hand(config, [3, 1, 7, 3, 1, 7, 3, 1], [5, 6, 5, 6, 5, 6, 5, 6])
    assert answers == [
        {4: (1, 3), 5: (7, 3), 6: (3, 3), 7: (1, 3)},
        {3: (6, 2), 4: (5, 2), 5: (6, 2), 6: (5, 2), 7: (6, 2)},
    ]
    assert length == [8, 8]


def test_induction_has_every_period():
    config = small("induction")
    sequences = config.trained_on()
    periods = config.answers(sequences).along.max(axis=1)
    assert set(periods.tolist()) == {2, 3, 4, 5}
    for row, period in zip(sequences, periods, strict=True):
        assert (row[period:] == row[:-period]).all()
        assert len(set(row[:period].tolist())) == period


def test_needle_by_hand():
    # The mark is 0, digits are 1 to 10 and filler 11 and 12; the number is 4 9.
    config = task("needle", length=9, digits=2, vocabulary=13)
    answers, _ = by_hand(config, [11, 0, 4, 9, 12, 12, 0, 4, 9])
    assert answers == [{7: (4, 5), 8: (9, 5)}]


def test_needle_asks_for_the_number_that_it_hid_anywhere():
    config = small("needle")
    distances = set()
    for row in config.trained_on().tolist():
        first = row.index(0)
        assert row[first : first + 4] == row[-4:]
        assert min(row[:first] + row[first + 4 : -4], default=11) >= 11
        distances.add(16 - first)
    assert distances == set(range(4, 17))


def test_dyck_by_hand():
    # Opening brackets are 0 to 2, their closing ones 3 to 5: ( [ ] ) { }.
    config = task("dyck", length=6, kinds=3, depth=2)
    answers, _ = by_hand(config, [0, 1, 4, 3, 2, 5])
    assert answers == [{2: (4, 2), 3: (3, 1), 5: (5, 1)}]
    assert (config.loss, config.ids) == ("all", 6)


def test_dyck_is_well_nested_and_as_deep_as_it_may_be():
    config = small("dyck")
    deepest = 0
    for row in config.trained_on().tolist():
        stack = []
        for token in row:
            if token < 3:
                stack.append(token)
                deepest = max(deepest, len(stack))
            else:
                assert stack.pop() == token - 3
        assert stack == []
    assert deepest == 3


def test_modular_addition_by_hand():
    # Residues of 7; 7 is the plus and 8 the equals sign: 3 + 2 = 5, 6 + 4 = 3.
    answers, _ = by_hand(task("modular_addition", modulus=7), [3, 7, 2, 8, 5], [6, 7, 4, 8, 3])
    assert answers == [{4: (5, 1)}, {4: (3, 2)}]


def test_modular_addition_has_all_equations_and_holds_out_a_part():
    half = small("modular_addition").documents()
    equations = from_text([*half.train, *half.validation])
    pairs = {(row[0], row[2]) for row in equations.tolist()}
    assert len(equations) == len(pairs) == 49
    assert (len(half.train), len(half.validation)) == (25, 24)
    assert (equations[:, 4] == (equations[:, 0] + equations[:, 2]) % 7).all()
    tenth = task("modular_addition", modulus=7, validation_fraction=0.1).documents()
    assert set(tenth.validation) < set(half.validation)


def test_sequences_are_text_and_come_back():
    rows = np.array([[3, 10, 0], [64999, 1, 2]])
    assert as_text(rows) == ["3 10 0\n", "64999 1 2\n"]
    assert (from_text(as_text(rows)) == rows).all()


@pytest.mark.parametrize(
    ("spec", "key", "remedy"),
    [
        ({"generated": "recal"}, "data.corpus.generated", "did you mean 'recall'"),
        ({"generated": "recall", "pairs": 20}, "pairs: 20 pairs", "give 16 or fewer"),
        ({"generated": "recall", "vocabulary": 10}, "pairs: 8 pairs", "give a vocabulary of 18"),
        ({"generated": "recall", "length": 33}, "data.corpus.length", "multiple of 2"),
        ({"generated": "copying", "shortest": 40}, "shortest: 40", "give 31 or less"),
        ({"generated": "induction", "longest": 63}, "longest: a block of 63", "give 62 or less"),
        ({"generated": "induction", "vocabulary": 8}, "longest: 32 different", "give a vocabulary of 32"),
        ({"generated": "needle", "length": 10}, "length: 10 tokens", "give 12 or more"),
        ({"generated": "recall", "max_bytes": 100}, "data.corpus.max_bytes", "'sequences' in its place"),
        ({"generated": "recall", "treatment": "line_dedup"}, "data.corpus.treatment", "'sequences'"),
        ({"generated": "recall", "copies": "keep"}, "data.corpus.copies", "for corpora of text; remove it"),
        ({"generated": "recall", "near_copies": "drop"}, "data.corpus.near_copies", "of text; remove it"),
        ({"generated": "recall", "decontaminate": ["python-stdlib"]}, "corpus.decontaminate", "remove it"),
        ({"name": "python-stdlib", "decontaminate": [RECALL]}, "decontaminate.0", "name a corpus of text"),
        ({"name": "python-stdlib", "treatment": BOILERPLATE}, "treatment.source", "name a corpus of text"),
        ({"mixture": {"a": RECALL}, "weights": {"a": 1}}, "corpus.mixture.a", "name a corpus of text"),
        ({"name": "python-stdlib", "generated": "drop"}, "name and generated", "keep one of them"),
        ({"generated": "modular_addition", "seed": 3}, "data.corpus.seed", "remove it"),
        ({"generated": "recall", "legnth": 32}, "data.corpus.legnth", "did you mean 'length'"),
        ({"generated": "recall", "validation_fraction": 1}, "validation_fraction", "give less than 1"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(spec, key, remedy):
    with pytest.raises(UserError) as error:
        corpus_config(spec)
    assert key in str(error.value)
    assert remedy in str(error.value)
    assert "\n" not in str(error.value)


def test_a_task_too_small_to_hold_anything_out_is_refused():
    # Two strings of one token: both are held out.
    with pytest.raises(UserError, match="no sequence to train on"):
        load_documents(corpus_config({"generated": "copying", "longest": 1, "symbols": 2, "sequences": 400}))
