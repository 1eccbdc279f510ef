"""Text that a run generates: where it ends, and that nothing of it is lost."""

from types import SimpleNamespace

import pytest
import torch

from workbench.data.tokenizers import ByteTokenizer
from workbench.records.run import RunDirectory
from workbench.trained import generate

BYTES = ByteTokenizer()
OPTIONS = {"temperature": 1.0, "top_k": None, "top_p": None, "seed": 0}


@pytest.fixture
def said(monkeypatch, tmp_path):
    """The pieces of a continuation by a model that would say ``ids`` for ever."""

    def pieces(ids, tokens=100):
        def stream(decoder, start, *, new_tokens, **_):
            return iter([torch.tensor([ids[place % len(ids)]]) for place in range(new_tokens)])

        config = SimpleNamespace(vocabulary=BYTES.vocabulary, context=1000)
        model = SimpleNamespace(config=config, positions=SimpleNamespace(limit=None))
        monkeypatch.setattr(generate, "load_decoder", lambda directory: model)
        monkeypatch.setattr(generate, "open_tokenizer", lambda directory: BYTES)
        monkeypatch.setattr(generate, "stream", stream)
        options = OPTIONS | {"tokens": tokens, "bos": False}
        return list(generate.generate_text(RunDirectory(tmp_path), "tea: ", **options))

    return pieces


def test_a_text_ends_where_the_model_ends_the_document(said):
    assert said([*b"oolong", BYTES.end_of_document, *b"next"]) == list("oolong")


def test_a_text_ends_after_as_many_tokens_as_were_asked_for(said):
    assert said([*b"abc"], tokens=4) == ["a", "b", "c", "a"]


def test_a_character_is_shown_once_it_is_whole(said):
    assert said([*"né".encode()], tokens=3) == ["n", "é"]


@pytest.mark.parametrize("end", [[], [BYTES.end_of_document]])
def test_half_a_character_at_the_end_is_shown_and_not_lost(said, end):
    ids = [*"茶".encode()[:2], *end]
    assert "".join(said([ord("n"), *ids], tokens=1 + len(ids))) == "n\ufffd"
