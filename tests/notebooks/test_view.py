"""Views inside in Python, on a study that was really trained."""

import pytest

import workbench as wb
from tests.inspection.conftest import trained, trained_study  # noqa: F401 (fixtures)
from workbench.errors import UserError
from workbench.inspection.views import find_view


@pytest.fixture
def study(trained_study, trained):  # noqa: F811
    return wb.load(trained_study)


def test_a_study_opens_on_what_differs_most_as_inspect_does(study, trained):  # noqa: F811
    view = study.view("head_scores")
    own = find_view("head_scores").show(trained, {})
    assert view.answers == list(own.answers)
    assert view.source == own.source
    assert list(view.tables) == list(own.all_tables())
    assert all(answer in view._repr_markdown_() or "*" in answer for answer in view.answers[:1])


def test_a_chosen_run_at_the_seed_of_the_other(study):
    view = study.view(
        "prompt_attention", "baseline", seed=2002, against="positions=learned", options={"layer": 1}
    )
    assert "baseline seed 2002" in view.source
    assert "positions=learned seed 2002" in view.source
    shown = view._repr_html_()
    assert shown.count("<svg") == 1
    assert view.figure(columns=1).get_figwidth() == 3.3
    with pytest.raises(UserError, match=r"layer: unknown '9'"):
        study.view("prompt_attention", "baseline", options={"layer": 9})
