"""Text of installed packages: read from files, in a stable order, without their tests."""

import ast
import sys
from pathlib import Path

import pytest

from workbench.data.corpora import corpus_config, identity
from workbench.data.generated_files import says_generated
from workbench.data.sources import python_packages
from workbench.errors import UserError

CLASS = "Class words. " * 20


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that must not be imported."""
    folder = tmp_path / "thing"
    for name, text in {
        "__init__.py": f'"""{"Module words. " * 20}"""\nraise SystemExit("imported")\n',
        "inner/part.py": f'class One:\n    """{CLASS}"""\n\n    def f(self):\n        """Short."""\n',
        "tests/test_it.py": f'"""{"Test words. " * 20}"""\n',
        "broken.py": "def (:\n",
        "latin.py": "x = 1\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "latin.py").write_bytes(b"# \xe9\n")
    info = tmp_path / "thing-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.2\n")
    files = [path.relative_to(tmp_path).as_posix() for path in folder.rglob("*.py")]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def opened(name, **options):
    return corpus_config({"name": name, "packages": ["thing"], **options}).open()


def test_docstrings_of_some_length_are_the_documents(package):
    source = opened("python-docstrings")
    assert source.title == "docstrings of thing 1.2"
    found = list(source.documents)
    assert sorted(text[:6] for text in found) == ["Class ", "Module"]
    assert found == list(opened("python-docstrings").documents)
    assert "Short." in list(opened("python-docstrings", shortest=1).documents)


def test_source_is_every_file_but_tests_and_those_in_other_encodings(package):
    found = list(opened("python-packages").documents)
    assert sorted(found) == sorted(
        (package / name).read_text() for name in ("__init__.py", "inner/part.py", "broken.py")
    )
    assert "thing" not in sys.modules


def test_its_identity_follows_the_files(package):
    config = corpus_config({"name": "python-docstrings", "packages": ["thing"]})
    before = identity(config)
    assert identity(config) == before
    (package / "__init__.py").write_text('"""Another."""\n')
    assert identity(config) != before


def test_a_package_that_is_not_there_is_one_error():
    with pytest.raises(UserError, match=r"data\.corpus\.packages: 'no-such-thing' is not installed here"):
        corpus_config({"name": "python-docstrings", "packages": ["no-such-thing"]}).open()
    with pytest.raises(UserError, match=r"packages: 'numpy' is no name, or stands twice"):
        corpus_config({"name": "python-docstrings", "packages": ["numpy", "numpy"]})


def test_the_packages_that_are_read_are_those_that_the_workbench_needs():
    """To read them whole takes half a minute: here a look at what is found."""
    config = corpus_config("python-docstrings")
    assert config.near_copies == "drop"
    pinned = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert all(f'"{name}>=' in pinned for name in config.packages)
    files = python_packages._files("statsmodels")
    assert not any("tests" in name for name, _ in files)
    assert ast.parse(files[0][1].read_text(encoding="utf-8"))


def test_generated_files_of_the_standard_library_can_be_left_out():
    kept = {
        choice: list(corpus_config({"name": "python-stdlib", "generated_files": choice}).open().documents)
        for choice in ("keep", "drop", "only")
    }
    assert sorted(kept["drop"] + kept["only"]) == sorted(kept["keep"])
    assert all(map(says_generated, kept["only"]))
    assert not any(map(says_generated, kept["drop"]))
    assert sum("Codec" in text[:100] for text in kept["only"]) >= 60
    assert 0.05 < sum(map(len, kept["only"])) / sum(map(len, kept["keep"])) < 0.2
