"""Text to test with, and a cache of each test's own."""

import random

import pytest

from workbench.data.batches import prepare

_BLOCKS = [(0x0, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]


def _unicode(draw: random.Random, length: int) -> str:
    """Characters of every UTF-8 length, control characters and unassigned ones among them."""
    return "".join(chr(draw.randint(*draw.choice(_BLOCKS))) for _ in range(length))


@pytest.fixture
def unicode_texts():
    draw = random.Random(0)
    texts = [_unicode(draw, draw.randint(0, 60)) for _ in range(200)]
    return [*texts, "", " ", "\r\n\t", "  two  spaces ", "<|endoftext|></s>", "Ġ", "e\u0301", "👩‍👩‍👧"]


@pytest.fixture
def folder(tmp_path):
    """Thirty documents of words in a folder of text files."""
    draw, root = random.Random(1), tmp_path / "texts"
    root.mkdir()
    for number in range(30):
        words = draw.choices(["alpha", "beta", "gamma", "delta", "épsilon"], k=200)
        (root / f"{number}.txt").write_text(f"{number} {' '.join(words)}\n", encoding="utf-8")
    return root


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def corpus(folder, cache):
    return prepare({"path": str(folder)}, "bytes", cache)
