from pathlib import Path

import pytest
import torch

from workbench import inspection
from workbench.inspection.listed_views import LISTED
from workbench.inspection.probe import Probe
from workbench.inspection.tables import MEASURED_COLUMNS, known_tables, measured_rows
from workbench.inspection.views import views

LENGTH = 200  # tokens of a window


@pytest.fixture
def probe():
    text = torch.zeros(20, LENGTH + 1, dtype=torch.long)
    return Probe(text=text, long=text, context=LENGTH, vocabulary=257)


def test_what_matters_most_is_measured_first():
    names = ["heads", "profiles", "residual", "feedforward", "extrapolation", "position_loss"]
    assert list(known_tables()) == names


def test_every_table_that_a_view_reads_is_measured():
    known = known_tables()
    for view in views():
        assert set(view.tables) | set(view.more_tables) <= set(known), view.name


def test_every_view_that_there_is_is_listed():
    files = {path.stem for path in Path(inspection.__file__).parent.glob("*/*_view.py")}
    assert {f"{view.module}_view" for view in LISTED} == files
    assert [view.listed for view in views()] == list(LISTED)


def test_costs_follow_from_the_probes_sizes_alone(probe):
    costs = {name: table.tokens(probe) for name, table in known_tables().items()}
    assert costs.pop("extrapolation") > 0
    assert costs == {
        "heads": 16 * LENGTH + 2 * 16 * 128,
        "profiles": 16 * LENGTH,
        "residual": 16 * LENGTH,
        "feedforward": 1.75 * 16 * LENGTH,
        "position_loss": 20 * LENGTH / 2,
    }


def test_rows_have_all_columns_and_what_is_not_given_is_missing():
    table = measured_rows([{"layer": 1, "metric": "rms", "value": 2.0, "n": 3}])
    assert list(table.columns) == MEASURED_COLUMNS
    assert table.loc[0, ["head", "x"]].isna().all()
