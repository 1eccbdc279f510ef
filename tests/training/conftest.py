"""A small text for whatever trains."""

import pytest

from workbench.data.batches import prepare


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    for index in range(8):
        (folder / f"{index}.txt").write_text("".join(f"line {index} {number}\n" for number in range(80)))
    return prepare({"path": str(folder)}, "bytes", folder / "cache")
