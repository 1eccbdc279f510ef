"""What a token is shown as is what it stands for in a text, whatever its vocabulary calls it."""

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from workbench.data.tokenizers import ByteTokenizer, FileTokenizer, train_tokenizer
from workbench.errors import UserError

LLAMA_NORMALIZER = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
LLAMA_DECODER = decoders.Sequence(
    [
        decoders.Replace("▁", " "),
        decoders.ByteFallback(),
        decoders.Fuse(),
        decoders.Strip(" ", 1, 0),
    ]
)


def ids(*tokens):
    return {token: index for index, token in enumerate(tokens)}


def merged(spelt):
    """The merges that lead to each of ``spelt`` letter by letter, and all the pieces on the way."""
    merges = list(dict.fromkeys((word[:end], word[end]) for word in spelt for end in range(1, len(word))))
    return merges, list(dict.fromkeys([*"".join(spelt), *("".join(pair) for pair in merges)]))


def llama(decoder=LLAMA_DECODER, *, fallback=True):
    merges, spelt = merged(["▁the", "▁cat", "▁sat"])
    spelt += [f"<0x{byte:02X}>" for byte in range(256)] if fallback else []
    options = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": fallback}
    model = Tokenizer(models.BPE(ids("<unk>", "<s>", "</s>", *spelt), merges, **options))
    model.normalizer = LLAMA_NORMALIZER
    if decoder is not None:
        model.decoder = decoder
    model.add_special_tokens(["<unk>", "<s>", "</s>"])
    return model


def metaspace(scheme="always", *, split=True, decoder=True):
    pieces = [(piece, -1.0) for piece in ("▁the", "▁cat", "▁sat", "▁", *"thecas")]
    model = Tokenizer(models.Unigram([("<unk>", 0.0), *pieces], 0, False))
    model.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
    if decoder:
        model.decoder = decoders.Metaspace(prepend_scheme=scheme, split=split)
    return model


def byte_level(decoder=True):
    merges, spelt = merged(["the", "Ġcat", "Ġsat"])
    rest = [letter for letter in sorted(pre_tokenizers.ByteLevel.alphabet()) if letter not in spelt]
    model = Tokenizer(models.BPE(ids(*spelt, *rest), merges))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if decoder:
        model.decoder = decoders.ByteLevel()
    model.add_tokens(["naïve", AddedToken("  ", normalized=False)])
    model.add_special_tokens(["<|endoftext|>"])
    return model


def word_piece(decoder=True):
    vocabulary = ids("[UNK]", "[CLS]", "the", "cat", "##s", "sat", "a", ",")
    model = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    model.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if decoder:
        model.decoder = decoders.WordPiece()
    model.add_special_tokens(["[UNK]", "[CLS]"])
    return model


def with_suffix(decoder=True):
    vocabulary = ids("t", "h", "e", "c", "a", "s", "e</w>", "t</w>", "th", "the</w>", "ca", "cat</w>")
    merges = [("t", "h"), ("th", "e</w>"), ("c", "a"), ("ca", "t</w>")]
    model = Tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix="</w>"))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if decoder:
        model.decoder = decoders.BPEDecoder()
    return model


def words(decoder=None):
    model = Tokenizer(models.WordLevel(ids("<unk>", "the", "cat", "sat", "<pad>"), unk_token="<unk>"))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if decoder is not None:
        model.decoder = decoder
    return model


LLAMA = [" the", " cat", " sat", "\n"]
KINDS = {
    "LLaMA": (llama, "the cat sat\n", LLAMA),
    "LLaMA without a decoder": (lambda: llama(None), "the cat sat\n", LLAMA),
    "LLaMA that only fuses": (lambda: llama(decoders.Fuse()), "the cat sat\n", LLAMA),
    "bytes that are no character": (llama, "the é", [" the", " ", "\\xc3", "\\xa9"]),
    "no fallback": (lambda: llama(fallback=False), "the é", [" the", " ", "<unk>"]),
    "Metaspace": (metaspace, "the cat sat", [" the", " cat", " sat"]),
    "Metaspace, first only": (lambda: metaspace("first", split=False), "the  cat", [" the", " ", " cat"]),
    "Metaspace, never": (lambda: metaspace("never"), "the cat", ["t", "h", "e", " cat"]),
    "Metaspace without a decoder": (lambda: metaspace(decoder=False), "the cat", [" the", " cat"]),
    "byte-level": (byte_level, "the cat\n\té", ["the", " cat", "\n", "\t", "\\xc3", "\\xa9"]),
    "byte-level without a decoder": (lambda: byte_level(decoder=False), "the cat", ["the", " cat"]),
    "added words": (byte_level, "naïve  cat", ["naïve", "  ", "c", "a", "t"]),
    "WordPiece": (word_piece, "the cats, a", [" the", " cat", "s", ",", " a"]),
    "WordPiece without a decoder": (lambda: word_piece(decoder=False), "the cats", ["the", "cat", "s"]),
    "end of word": (with_suffix, "the cat", ["the ", "cat "]),
    "end of word without a decoder": (lambda: with_suffix(decoder=False), "the cat", ["the ", "cat "]),
    "words": (words, "the cat dog", ["the", "cat", "<unk>"]),
    "CTC": (lambda: words(decoders.CTC()), "the cat sat", ["the", "cat", "sat"]),
}


@pytest.fixture
def opened(tmp_path):
    """Opens a tokenizer as the file that it is saved in."""

    def opened(model):
        model.save(str(tmp_path / "tokenizer.json"))
        return FileTokenizer(tmp_path / "tokenizer.json", {})

    return opened


@pytest.mark.parametrize("kind", KINDS)
def test_a_piece_is_what_its_token_stands_for_in_a_text(kind, opened):
    make, text, expected = KINDS[kind]
    tokenizer = opened(make())
    assert [tokenizer.piece(token) for token in tokenizer.encode(text).tolist()] == expected


def test_every_byte_is_shown_as_it_is(opened, unicode_texts):
    """In each of the three ways to spell one; together a text's pieces are its bytes."""
    for tokenizer in (ByteTokenizer(), opened(byte_level()), opened(llama())):
        for text in unicode_texts[:40]:
            shown = "".join(tokenizer.piece(token) for token in tokenizer.encode(text).tolist())
            spelt = text.encode("utf-8").decode("ascii", "backslashreplace")
            escaped = shown.encode("utf-8").decode("ascii", "backslashreplace")
            assert escaped.removeprefix(" ") == spelt.removeprefix(" ")


def test_a_learned_tokenizer_shows_blanks_and_its_end_of_document():
    tokenizer = train_tokenizer({"bpe": 269}, ["the cat sat on the mat. " * 40])
    shown = [tokenizer.piece(token) for token in tokenizer.encode("the cat\n").tolist()]
    assert "".join(shown) == "the cat\n"
    assert " cat" in shown
    assert tokenizer.piece(tokenizer.end_of_document) == "<|endoftext|>"


def test_what_stands_for_nothing_is_empty(opened):
    tokenizer = opened(llama())
    assert [tokenizer.piece(token) for token in range(3)] == ["<unk>", "<s>", "</s>"]
    assert tokenizer.piece(tokenizer.vocabulary + 3) == ""  # a row of the embedding that no token has
    assert ByteTokenizer().piece(256) == ""


def test_an_unknown_token_is_named_with_its_blank(opened):
    tokenizer = opened(llama())
    the, cat = tokenizer.encode("the cat").tolist()
    with pytest.raises(UserError, match=rf"text: .* ' cat' \({cat}\)"):
        tokenizer.require_known(np.array([the, cat]), cat, "text")
