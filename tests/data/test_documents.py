"""What is left out of training because of what is held out, mixtures, and how a file becomes documents."""

import random

import pytest

from tests.data.treatments.pools import prose, replaced_words
from workbench.data.contamination import JudgedPieces
from workbench.data.corpora import corpus_config
from workbench.data.documents import held_out, load_documents
from workbench.data.sources.mixture import LLAMA
from workbench.errors import UserError


def load(spec):
    return load_documents(corpus_config(spec))


def sized(documents):
    return sum(len(text.encode()) for text in documents)


@pytest.fixture(scope="module")
def near(tmp_path_factory):
    """100 documents, and a near copy of each: some pairs stand on both sides of a split by content."""
    place = tmp_path_factory.mktemp("near")
    draw = random.Random(9)
    for number in range(100):
        text = prose(draw, 200)
        (place / f"{number}.txt").write_text(f"{text}#{number}")
        (place / f"{number}-again.txt").write_text(f"{replaced_words(text, 0.01, draw)}#{number}")
    return {"path": str(place)}


def test_near_copies_of_validation_text_are_left_out_of_training_where_that_is_asked(near):
    plain = load(near)
    apart = load(near | {"near_copies": "drop"})
    assert apart.validation == plain.validation
    [stage] = apart.stages
    assert stage["name"] == "near_copies"
    dropped = set(plain.train) - set(apart.train)
    # Each validation document has one partner; where that is held out too there is nothing to leave out.
    partners = {text.rpartition("#")[2] for text in plain.validation}
    assert {text.rpartition("#")[2] for text in dropped} <= partners
    assert (
        10 <= len(dropped) == stage["rules"]["near_copy"]["dropped"] == stage["documents"] - len(apart.train)
    )
    assert f"without {len(dropped)} near copies of validation text" in apart.description
    # A treatment comes after it.
    treated = load(near | {"near_copies": "drop", "treatment": "near_dedup"})
    assert [stage["name"] for stage in treated.stages] == ["near_copies", "near_dedup"]
    assert treated.stages[1]["documents"] == len(apart.train)
    assert set(treated.train) < set(apart.train)


def test_a_training_document_with_fifty_bytes_of_a_judged_text_is_left_out(tmp_path):
    draw = random.Random(4)
    judged, pool = tmp_path / "judged", tmp_path / "pool"
    judged.mkdir()
    pool.mkdir()
    texts = [prose(draw, 60) for _ in range(12)]
    for number, text in enumerate(texts):
        (judged / f"{number}.txt").write_text(text)
    spec = {"path": str(judged), "validation_fraction": 0.5}
    held = held_out(corpus_config(spec)).documents
    others = [prose(draw, 60) for _ in range(30)]
    for number, text in enumerate(others):
        has = {3: held[0][20:70], 4: held[0][20:69], 5: held[1]}.get(number, "")
        (pool / f"{number:02}.txt").write_text(f"{text}\n§{has}§\n")
    plain = load({"path": str(pool)})
    clean = load({"path": str(pool), "decontaminate": [spec]})
    dropped = [text for text in plain.train if text not in clean.train]
    asked = [text for text in plain.train if held[0][20:70] in text or held[1] in text]
    assert sorted(dropped) == sorted(asked)
    assert any(held[0][20:69] in text for text in [*clean.train, *clean.validation])  # 49 bytes are no piece
    [stage] = clean.stages
    assert stage["rules"] == {"judged_text": {"dropped": len(asked), "changed": 0, "bytes": sized(asked)}}
    covered = sum(50 for text in asked if held[0][20:70] in text) + sum(
        len(held[1]) for text in asked if held[1] in text
    )
    assert stage["judged_share"] == pytest.approx(covered / sized(held))
    assert clean.validation == plain.validation


def test_pieces_are_found_wherever_they_stand_and_across_parts(monkeypatch):
    monkeypatch.setattr("workbench.data.contamination._AT_ONCE", 64)
    piece = "".join(map(chr, range(40, 90)))
    pieces = JudgedPieces([f"before {piece} after"])
    filler = "x" * 200
    documents = [filler[:start] + piece + filler for start in (0, 1, 30, 63, 64, 65, 130)] + [
        filler,
        piece[:-1],
    ]
    assert [outcome.text == "" for outcome in pieces.outcomes(documents)] == [True] * 7 + [False, False]
    assert pieces.leaked_share == pytest.approx(50 / len(f"before {piece} after"))
    # A piece is bytes: 25 characters of two bytes are one.
    other = JudgedPieces(["é" * 25])
    assert [outcome.rule for outcome in other.outcomes(["é" * 25, "é" * 24 + "e"])] == ["judged_text", ""]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    place = tmp_path_factory.mktemp("parts")
    for name, count in (("code", 300), ("prose", 60)):
        draw = random.Random(name)
        folder = place / name
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.txt").write_text(f"{name}\n{prose(draw, 40)}")
    return {name: {"path": str(place / name)} for name in ("code", "prose")}


def shares_of(documents):
    code = sized(text for text in documents if text.startswith("code"))
    return code / sized(documents)


def test_a_mixture_has_its_shares_on_both_sides_and_throughout(parts):
    mixture = load({"mixture": parts, "weights": {"code": 7, "prose": 3}})
    own = {name: load(spec) for name, spec in parts.items()}
    assert shares_of(mixture.train) == pytest.approx(0.7, abs=0.01)
    assert shares_of(mixture.validation) == pytest.approx(0.7, abs=0.05)
    half = len(mixture.train) // 2
    assert shares_of(mixture.train[:half]) == pytest.approx(0.7, abs=0.05)
    # As much as there is of prose, once, and from its own side of the split.
    assert sized(text for text in mixture.train if text.startswith("prose")) == pytest.approx(
        sized(own["prose"].train), rel=0.02
    )
    assert not set(mixture.validation) & set(own["code"].train + own["prose"].train)
    assert load({"mixture": parts, "weights": {"code": 7, "prose": 3}}).fingerprint == mixture.fingerprint
    assert "mixture of 70 % code, 30 % prose" in mixture.description


def test_a_small_corpus_repeats_where_it_may(parts):
    once = load({"mixture": parts, "weights": {"code": 1, "prose": 1}})
    twice = load({"mixture": parts, "weights": {"code": 1, "prose": 1}, "passes": 2})
    assert sized(twice.train) == pytest.approx(2 * sized(once.train), rel=0.02)
    assert sized(twice.validation) == sized(once.validation)
    assert len(set(twice.train_keys)) == len(twice.train)  # copies are told apart
    cut = load({"mixture": parts, "weights": {"code": 1, "prose": 1}, "max_bytes": 5_000})
    assert 4_500 < sized(cut.train) + sized(cut.validation) <= 5_000


def test_llamas_weights_are_those_of_its_table(parts):
    named = {"github": parts["code"], "wikipedia": parts["prose"]}
    assert corpus_config({"mixture": named, "weights": "llama"}).shares == {"github": 0.5, "wikipedia": 0.5}
    assert sum(LLAMA.values()) == 100
    three = named | {"c4": parts["code"]}
    assert corpus_config({"mixture": three, "weights": "llama"}).shares["c4"] == pytest.approx(15 / 24)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": {"code": 1}}, r"data\.corpus: weights: no weight for 'prose'"),
        ({"weights": {"code": 1, "prose": 1, "web": 1}}, r"weights: 'web' is no corpus of it"),
        ({"weights": {"code": 1, "prose": 0}}, r"weights: prose: 0 is no share; give more than 0"),
        ({"weights": "llama"}, r"weights: no weight for 'code'; .*common_crawl"),
        (
            {"mixture": {"code": {"pth": "x"}}, "weights": {"code": 1}},
            r"data\.corpus\.mixture\.code: .*'path'",
        ),
        (
            {"decontaminate": ["python-stdlb"]},
            r"data\.corpus\.decontaminate\.0: unknown corpus 'python-stdlb'",
        ),
        ({"passes": 0}, r"data\.corpus\.passes: "),
    ],
)
def test_a_mixture_that_cannot_be_is_one_error(parts, changes, message):
    with pytest.raises(UserError, match=message):
        corpus_config({"mixture": parts, "weights": {"code": 1, "prose": 1}} | changes)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({}, ["one\ntwo\n\nthree\n \t\nfour§five\n"]),
        ({"documents": "file"}, ["one\ntwo\n\nthree\n \t\nfour§five\n"]),
        ({"documents": "lines"}, ["one", "two", "three", "four§five"]),
        ({"documents": "blank_lines"}, ["one\ntwo", "three", "four§five\n"]),
        ({"separator": "§"}, ["one\ntwo\n\nthree\n \t\nfour", "five\n"]),
    ],
)
def test_what_a_document_of_a_text_file_is_can_be_said(tmp_path, option, expected):
    path = tmp_path / "text.txt"
    path.write_text("one\ntwo\n\nthree\n \t\nfour§five\n", encoding="utf-8")
    config = corpus_config({"path": str(path), **option})
    assert [text for text in config.open().documents if text.strip()] == expected
    assert ("documents" in config.spec()) == (option.get("documents", "file") != "file")


def test_line_ends_of_other_systems_part_documents_too(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"one\r\n\r\ntwo\r\n")
    documents = corpus_config({"path": str(path), "documents": "blank_lines"}).open().documents
    assert [text.strip() for text in documents] == ["one", "two"]


def test_a_file_has_one_way_to_say_where_documents_end(tmp_path):
    with pytest.raises(
        UserError, match=r"separator: it says where documents end, and so does documents: lines"
    ):
        corpus_config({"path": str(tmp_path), "documents": "lines", "separator": "§"})


def test_options_that_came_later_are_in_no_record_at_their_defaults():
    """Manifests and caches of studies from before them say what they said."""
    assert corpus_config("python-stdlib").spec() == {"name": "python-stdlib", "validation_fraction": 0.1}
    given = {
        "generated_files": "drop",
        "copies": "keep",
        "near_copies": "drop",
        "decontaminate": ["python-stdlib"],
    }
    assert corpus_config({"name": "python-stdlib", **given}).spec().items() >= given.items()
