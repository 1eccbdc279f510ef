"""study.yaml and its reader: what is written stays what it was, key by key, and early ones are read."""

from pathlib import Path

import pytest

from workbench.errors import RecordError
from workbench.files import read_yaml, write_yaml
from workbench.records.manifest import Manifest, kept_manifest, read_manifest
from workbench.records.run import Phase
from workbench.study.plan import manifest_hash

PUBLISHED = sorted((Path(__file__).parents[2] / "results" / "published").glob("*/study.yaml"))


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda path: path.parent.name)
def test_a_manifest_of_today_is_written_as_it_was_read(file, tmp_path):
    manifest = read_manifest(file.parent)
    assert list(manifest.to_dict().items()) == list(read_yaml(file).items())
    manifest.write(tmp_path)
    assert (tmp_path / "study.yaml").read_text() == file.read_text()
    assert [variant["name"] for variant in read_yaml(tmp_path / "study.yaml")["variants"]] == manifest.names


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda path: path.parent.name)
def test_its_hash_is_the_one_that_it_names(file):
    manifest = read_manifest(file.parent)
    assert manifest_hash(manifest) == manifest.hash


def test_a_manifest_is_kept_while_its_file_is_the_same(tmp_path):
    early = {"name": "s", "metric": "validation/loss", "baseline": "a", "variants": [{"name": "a"}]}
    write_yaml(tmp_path / "study.yaml", early)
    kept = kept_manifest(tmp_path)
    assert kept == read_manifest(tmp_path)
    assert kept_manifest(tmp_path) is kept
    write_yaml(tmp_path / "study.yaml", early | {"question": "Another?"})
    assert kept_manifest(tmp_path).question == "Another?"
    (tmp_path / "study.yaml").unlink()
    with pytest.raises(RecordError, match="restore the file"):
        kept_manifest(tmp_path)


def test_an_early_manifest_has_defaults_and_nothing_is_added_to_it(tmp_path):
    early = {
        "name": "s",
        "metric": "validation/loss",
        "baseline": "baseline",
        "variants": [{"name": "baseline"}],
        "amendments": [{"from": "a", "to": "b", "keys": ["margin"]}],
        "colour": "of a newer version",
    }
    write_yaml(tmp_path / "study.yaml", early)
    manifest = read_manifest(tmp_path)
    assert manifest.phases is None
    assert (manifest.halving, manifest.is_import, manifest.planned_hashes) == (False, False, set())
    assert manifest.seeds.confirm == []
    assert manifest.variants[0].parameters is None
    assert manifest.incomparable == "has no key 'margin'"
    assert manifest.amendments[0].before == "a"
    assert manifest.to_dict() == early


def test_the_phases_are_what_they_are_called(tmp_path):
    body = {"name": "s", "metric": "validation/loss", "baseline": "a", "variants": [], "phases": ["tune"]}
    manifest = Manifest.model_validate(body)
    assert manifest.phases == [Phase.TUNE] == ["tune"]
    manifest.write(tmp_path)
    assert read_yaml(tmp_path / "study.yaml") == body
