"""docs/notebooks.md: every example of it is run, on the published studies of a checkout."""

import doctest
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import workbench as wb

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _fresh_checkout(tmp_path, monkeypatch):
    """A checkout that has what is published alone: one's own quickstart comes before the published one."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "published").symlink_to(CHECKOUT / "results" / "published")
    (tmp_path / "ablations").symlink_to(CHECKOUT / "ablations")
    monkeypatch.chdir(tmp_path)


def test_the_examples_do_what_the_page_says():
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(
        str(CHECKOUT / "docs" / "notebooks.md"), module_relative=False, optionflags=options
    )
    assert found.attempted > 15
    assert found.failed == 0


class Begun:
    """What a tool that logs runs would have heard of one."""

    def __init__(self, **given):
        self.given = given
        self.rows = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def log(self, row, step):
        assert step not in self.rows
        assert step >= max(self.rows, default=0)  # as W&B asks
        self.rows[step] = row


def test_the_recipe_for_another_tool_gives_it_every_run_and_value(monkeypatch):
    begun = []
    tool = SimpleNamespace(init=lambda **given: begun.append(Begun(**given)) or begun[-1])
    monkeypatch.setitem(sys.modules, "wandb", tool)
    [recipe] = re.findall(
        r"^```python\n(.*?)^```", (CHECKOUT / "docs" / "notebooks.md").read_text(), re.S | re.M
    )
    exec(recipe, {})
    study = wb.load("quickstart")
    runs = {one.given["id"]: one for one in begun}
    assert len(runs) == len(begun) == len(set(study.curves()["run_id"]))
    for metric in ("train/loss", "validation/loss"):
        for row in study.curves(metric).to_dict("records"):
            assert runs[row["run_id"]].rows[row["step"]][metric] == row[metric]
    assert all(value == value for one in begun for row in one.rows.values() for value in row.values())
    assert {one.given["group"] for one in begun} == set(study.variants)
    assert all(one.given["config"]["model"]["width"] == 64 for one in begun)
