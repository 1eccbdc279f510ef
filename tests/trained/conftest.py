"""A small corpus of code for models from elsewhere."""

import pytest


@pytest.fixture
def text(tmp_path):
    """A small corpus, as a study file names it."""
    folder = tmp_path / "text"
    folder.mkdir()
    for index in range(12):
        (folder / f"{index}.txt").write_text(f"def f{index}(x):\n    return x + {index}\n" * 30)
    return {"path": str(folder)}
