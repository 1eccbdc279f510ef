"""Which results a name means."""

import pytest

from tests import in_process
from tests.study.studies import make_study
from workbench.errors import UserError
from workbench.study.paths import find_results


@pytest.fixture
def results(tmp_path):
    for name in ("plain", "with.dots"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.yaml").write_text(f"name: {name}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("study", "found"),
    [
        ("plain", "plain"),
        ("ablations/plain.yaml", "plain"),
        ("plain.YML", "plain"),
        ("with.dots", "with.dots"),
        ("ablations/with.dots.yaml", "with.dots"),
    ],
)
def test_a_name_or_a_file_names_a_study(results, study, found):
    assert find_results(study, results) == results / found


@pytest.mark.parametrize("study", ["plain.2", "with", "with.dots.old"])
def test_a_name_with_dots_is_no_other_studys_name(results, study):
    with pytest.raises(UserError, match="no results of this study"):
        find_results(study, results)


@pytest.mark.parametrize("out", ["results/published", "link"])
def test_a_run_does_not_change_what_is_published(tmp_path, out):
    make_study(tmp_path)
    manifest = tmp_path / "results" / "published" / "tiny" / "study.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("name: tiny\n")
    (tmp_path / "link").symlink_to(manifest.parents[1])
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml", "--out", out)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"error: --out: {out}/tiny lies among what is published, and that stays")
    assert manifest.read_text() == "name: tiny\n"
    assert list(manifest.parent.iterdir()) == [manifest]
