"""A tokenizer.json in every state: all of a text becomes tokens, and its bytes are counted as they are."""

import json
import random
from hashlib import sha256

import numpy as np
import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from workbench.data.batches import EvaluationBatches, prepare
from workbench.data.byte_counts import count_bytes
from workbench.data.tokenizers import ByteTokenizer, FileTokenizer, train_tokenizer
from workbench.errors import UserError

END = "<|endoftext|>"
WORDS = "the cat sat on a mat, naïve café"
TEXTS = [
    WORDS,
    "  The CAT  sat\n\ton a mat ",
    "日本語 über 𝄞 e\u0301 ﬁ",
    f"page {END} of <s> and </s>, <unk> too",
    "",
    " ",
    "naïve naïve\u00a0",
]


def byte_level(*, prefix=False, alphabet=True, normalizer=None, **options):
    """A byte-level tokenizer with a few merges."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet()) if alphabet else list("Ġabcehmnost")
    vocabulary = {token: index for index, token in enumerate([END, *letters, "th", "the", "Ġc"])}
    model = Tokenizer(models.BPE(vocabulary, [("t", "h"), ("th", "e"), ("Ġ", "c")], **options))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    model.decoder = decoders.ByteLevel()
    if normalizer is not None:
        model.normalizer = normalizer
    model.add_special_tokens([END])
    return model


def pieces(*, fallback, **pre_tokenizer):
    """Pieces with a mark for the space, as SentencePiece learns them for LLaMA and Mistral."""
    letters = ["▁", *"abcehmnost", "▁c", "ca", "▁ca"]
    spelt = [f"<0x{byte:02X}>" for byte in range(256)] if fallback else []
    vocabulary = {token: index for index, token in enumerate(["<unk>", "<s>", "</s>", *spelt, *letters])}
    merges = [("▁", "c"), ("c", "a"), ("▁c", "a")]
    options = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": fallback}
    model = Tokenizer(models.BPE(vocabulary, merges, **options))
    if pre_tokenizer:
        model.pre_tokenizer = pre_tokenizers.Metaspace(**pre_tokenizer)
    else:
        model.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    model.add_special_tokens(["<unk>", "<s>", "</s>"])
    return model


def unigram():
    """T5's kind, where the end of a text is a piece that costs nothing."""
    scores = [("<unk>", 0.0), ("</s>", 0.0), ("▁", -2.0), *((letter, -5.0) for letter in "abcehmnost</>")]
    model = Tokenizer(models.Unigram(scores, 0, False))
    model.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    model.pre_tokenizer = pre_tokenizers.Metaspace()
    model.add_special_tokens(["<unk>", "</s>"])
    return model


def words():
    """Whole words, lower case, split at white space; one that is not known is unknown."""
    known = ["<unk>", "</s>", "the", "cat", "sat", "on", "a", "mat"]
    vocabulary = {token: index for index, token in enumerate(known)}
    model = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    model.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Strip()])
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    model.add_special_tokens(["<unk>", "</s>"])
    return model


def without_spaces():
    """Byte-level after a step that drops white space."""
    model = byte_level()
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "removed"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return model


def with_added():
    """Byte-level, with words of its own beside the bytes; one takes the space before it."""
    model = byte_level()
    model.add_tokens(["naïve", "日本", AddedToken("mat", lstrip=True, normalized=False)])
    return model


KINDS = {
    "byte-level": (byte_level, True),
    "prefix space": (lambda: byte_level(prefix=True), False),
    "composed": (lambda: byte_level(normalizer=normalizers.NFC()), False),
    "decomposed": (lambda: byte_level(normalizer=normalizers.NFKD()), False),
    "lower case": (lambda: byte_level(normalizer=normalizers.BertNormalizer()), False),
    "spaces removed": (without_spaces, False),
    "few bytes": (lambda: byte_level(alphabet=False), False),
    "added words": (with_added, False),
    "LLaMA": (lambda: pieces(fallback=True), False),
    "Metaspace": (lambda: pieces(fallback=True, prepend_scheme="always"), False),
    "first only": (lambda: pieces(fallback=False, prepend_scheme="first", split=False), False),
    "no fallback": (lambda: pieces(fallback=False), False),
    "unigram": (unigram, False),
    "words": (words, False),
}


@pytest.fixture
def opened(tmp_path):
    """Opens a tokenizer as the file that it is saved in."""

    def opened(model, edit=lambda values: None):
        values = json.loads(model.to_str())
        edit(values)
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
        return FileTokenizer(path, {})

    return opened


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_add_up_to_the_text_and_no_text_is_a_special_token(kind, opened, unicode_texts):
    make, exact = KINDS[kind]
    model = make()
    tokenizer, texts = opened(model), [*TEXTS, *unicode_texts[:60]]
    special = {i for i, token in model.get_added_tokens_decoder().items() if token.special}
    lengths = tokenizer.byte_lengths()
    assert (lengths is not None) == exact
    unknown = model.token_to_id("<unk>")
    for text, found in zip(texts, tokenizer.encode_counted(texts), strict=True):
        sizes = lengths[found.ids] if exact else found.bytes
        assert sizes.shape == found.ids.shape
        assert sizes.sum() == len(text.encode("utf-8"))
        assert found.ids[-1] == tokenizer.end_of_document
        assert not (special - {unknown}) & set(found.ids[:-1].tolist())
        assert np.array_equal(found.ids[:-1], tokenizer.encode(text))


def test_bytes_are_those_that_a_token_covers(opened):
    [found] = opened(pieces(fallback=True)).encode_counted(["cat é日"])
    assert found.bytes.tolist() == [2, 1, 1, 1, 1, 1, 1, 1, 0]  # ▁ca t ▁ C3 A9 E6 97 A5, the end
    [found] = opened(words()).encode_counted([" The  CAT naïve sat "])
    assert found.ids.tolist() == [2, 3, 0, 4, 1]
    assert found.bytes.tolist() == [
        4,
        5,
        7,
        5,
        0,
    ]  # the space before a word is its, what follows the last too
    assert found.unspelled == 7


def test_tokens_of_one_character_share_its_bytes():
    counts, uncovered = count_bytes("aé日b", np.array([[0, 2], [1, 2], [2, 3], [2, 3], [3, 4]]))
    assert (counts.tolist(), uncovered) == ([1, 2, 1, 2, 1], 0)
    assert count_bytes("x é y", np.array([[0, 1], [4, 5]]))[0].tolist() == [1, 5]
    assert count_bytes("x é y", np.array([[0, 1], [4, 5]]))[1] == 2  # white space is no loss, the letter is
    assert count_bytes("é", np.zeros((0, 2), dtype=int))[1] == 2


@pytest.mark.parametrize("text", ["é", "naïve é"])
def test_what_is_dropped_is_not_spelt(opened, text):
    [found] = opened(byte_level(alphabet=False)).encode_counted([text])
    assert found.unspelled > 0
    [found] = opened(byte_level()).encode_counted([text])
    assert found.unspelled == 0


def _truncated(values):
    values["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}


def _padded(values):
    options = {"direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0}
    values["padding"] = {"strategy": {"Fixed": 500}, "pad_token": END, **options}


def _adding(values):
    model = byte_level()
    model.post_processor = processors.TemplateProcessing(single=f"{END} $A {END}", special_tokens=[(END, 0)])
    values["post_processor"] = json.loads(model.to_str())["post_processor"]


def _dropping_merges(values):
    values["model"]["dropout"] = 0.9


def _ordinary_end(values):
    values["added_tokens"][0]["special"] = False


def _unlisted_end(values):
    values["added_tokens"] = []


@pytest.mark.parametrize(
    "state", [_truncated, _padded, _adding, _dropping_merges, _ordinary_end, _unlisted_end]
)
def test_the_state_of_a_file_is_not_its_tokens(opened, state):
    expected = [item.ids.tolist() for item in opened(byte_level()).encode_counted(TEXTS)]
    found = opened(byte_level(), state)
    assert [item.ids.tolist() for item in found.encode_counted(TEXTS)] == expected
    assert [ids.tolist() for ids in found.encode_documents(TEXTS)] == expected


@pytest.mark.parametrize("make", [unigram, words, lambda: pieces(fallback=True)])
def test_well_known_special_tokens_are_special_whatever_a_file_says(opened, make):
    expected = [ids.tolist() for ids in opened(make()).encode_documents(TEXTS)]

    def unlisted(values):
        values["added_tokens"] = []

    def ordinary(values):
        for token in values["added_tokens"]:
            token["special"] = False

    for state in (ordinary, unlisted):
        assert [ids.tolist() for ids in opened(make(), state).encode_documents(TEXTS)] == expected


def test_ids_need_not_follow_each_other(opened):
    def apart(values):
        values["model"]["vocab"]["cc"] = 400

    tokenizer = opened(byte_level(), apart)
    assert tokenizer.vocabulary == len(tokenizer.byte_lengths()) == 401


def test_an_added_token_whose_id_the_library_changes_is_refused(opened):
    """In a vocabulary with gaps the library gives it the next free number, which may be another piece's."""

    def moved(values):
        values["added_tokens"][0]["id"] += 50
        values["model"]["vocab"].pop("<|endoftext|>", None)

    with pytest.raises(
        UserError, match=r"added token '<\|endoftext\|>' has the id \d+, which the library reads"
    ):
        opened(byte_level(), moved)


def test_a_vocabulary_of_absurd_ids_is_refused_at_once(opened):
    def far(values):
        values["model"]["vocab"]["cc"] = 2**31

    with pytest.raises(UserError, match=r"it has the id 2,147,483,648"):
        opened(byte_level(), far)


def test_a_file_is_known_by_its_content(opened, tmp_path):
    tokenizer = opened(byte_level())
    digest = sha256((tmp_path / "tokenizer.json").read_bytes()).hexdigest()
    assert tokenizer.spec == {"file": f"tokenizer-{digest[:12]}.json", "sha256": digest}
    (tmp_path / "copy").mkdir()
    tokenizer.save(tmp_path / "copy")
    assert (tmp_path / "copy/tokenizer.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


def test_ids_beyond_a_model_are_named(opened):
    tokenizer = opened(with_added())
    ids = tokenizer.encode("a naïve cat of 日本")
    tokenizer.require_known(ids, tokenizer.vocabulary, "prompt")
    with pytest.raises(UserError, match=r"^prompt: .*'naïve' \(260\), '日本' \(261\); its ids end at 259"):
        tokenizer.require_known(ids, 260, "prompt")


def test_evaluation_counts_the_bytes_of_the_text(opened, tmp_path, cache):
    opened(pieces(fallback=False))
    path = tmp_path / "book.txt"
    path.write_text(f"{WORDS}. Der Hund über dem Baum.\n" * 200, encoding="utf-8")
    corpus = prepare({"path": str(path)}, {"file": str(tmp_path / "tokenizer.json")}, cache)
    text = path.read_text(encoding="utf-8")
    validation = text[len(text) * 9 // 10 - 60 :]
    whole = EvaluationBatches(corpus, len(corpus.validation) - 1, 1)
    first = int(corpus.validation_bytes[0])
    rest = whole.bytes + first
    assert validation.encode("utf-8").endswith(text.encode("utf-8")[-rest:])
    assert text.encode("utf-8")[-rest - 1 :][:1] == b"\n"
    parts = [int(corpus.validation_bytes[place + 1 : place + 17].sum()) for place in (0, 16, 32)]
    assert [count for _, _, count, _ in EvaluationBatches(corpus, 16, 1)][:3] == parts
    assert corpus.unspelled == pytest.approx(_unspelled(text) / len(text.encode()), rel=1e-3)
    assert prepare({"path": str(path)}, "bytes", cache).unspelled == 0


def _unspelled(text):
    return len("".join(letter for letter in text if letter not in " abcehmnost").encode())


def test_learned_pairs_leave_special_spellings_alone():
    tokenizer = train_tokenizer({"bpe": 300}, [f"see {END} here {number}" for number in range(99)])
    ids = tokenizer.encode(f"{END} x")
    assert tokenizer.end_of_document == 299 not in ids.tolist()
    assert tokenizer.byte_lengths()[ids].sum() == 15
    assert tokenizer.decode(ids) == f"{END} x"


def _spelling_bytes(folder):
    """A tokenizer as LLaMA's: ▁ for blanks, and single bytes for what the vocabulary lacks."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "▁a", "▁b"]
    pieces = {name: place for place, name in enumerate(names)}
    model = Tokenizer(
        models.BPE(vocab=pieces, merges=[], unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    model.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    model.decoder = decoders.Sequence(steps)
    model.save(str(folder / "tokenizer.json"))
    return FileTokenizer(folder / "tokenizer.json", {})


def _learned(folder):
    train_tokenizer({"bpe": 300}, [f"le café {number} était fermé\n" for number in range(99)]).save(folder)
    return FileTokenizer(folder / "tokenizer.json", {})


@pytest.mark.parametrize("kind", [_spelling_bytes, _learned, lambda folder: ByteTokenizer()])
def test_what_has_settled_of_a_text_is_changed_by_no_further_token(tmp_path, kind):
    tokenizer = kind(tmp_path)
    random.seed(1)
    for _ in range(200):
        ids = tokenizer.encode("a b").tolist()
        shown = tokenizer.settled(ids)
        assert shown == "a b"
        for _ in range(20):
            whole = random.random() < 0.5
            ids += tokenizer.encode(random.choice("é茶a😀")).tolist() if whole else [random.randrange(3, 256)]
            settled = tokenizer.settled(ids)
            assert settled.startswith(shown)
            shown = settled
        assert tokenizer.decode(ids).startswith(shown)


def test_characters_settle_as_soon_as_they_are_whole(tmp_path):
    learned = _learned(tmp_path)
    assert learned.settled(learned.encode("née").tolist()) == "née"
    spelt = _spelling_bytes(tmp_path)
    ids = spelt.encode("a茶").tolist()
    assert spelt.settled(ids) == "a"  # a byte that is none of a character's would undo it
    assert spelt.settled([*ids, *spelt.encode("a").tolist()]) == "a茶 a"
