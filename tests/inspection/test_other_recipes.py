"""Views between variants that read text in other tokens, or in windows of another length."""

import pytest

from tests.inspection.head_studies import scope_of
from tests.inspection.recipe_runs import LEARNED, LONGER, write_study
from tests.inspection.test_imported import CHEAP, _check
from workbench.inspection.views import find_view, views

MEASURED = [view.name for view in views() if view.tables and view.name != "formation"]
LIVE = [view.name for view in views() if view.live]
PAIRS = [(LEARNED, "baseline"), ("baseline", LONGER)]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(folder / "cache"))
        yield write_study(folder / "results")


def show(study, name, run, against):
    return find_view(name).show(scope_of(study, run, against, seed=201), CHEAP.get(name))


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize(("run", "against"), PAIRS)
def test_measured_views_show_the_run_alone_and_say_why_in_a_sentence(study, name, run, against):
    result = show(study, name, run, against)
    _check(result)
    (sentence,) = [answer for answer in result.answers if f"{against} is left out" in answer]
    reasons = {LEARNED: "measured in other tokens", LONGER: "measured in windows of another length"}
    assert reasons[run if run != "baseline" else against] in sentence
    assert sentence.endswith("compare runs of one corpus, tokenizer and context.")


@pytest.mark.parametrize("name", LIVE)
@pytest.mark.parametrize(("run", "against"), PAIRS)
def test_live_views_compare_what_is_comparable(study, name, run, against):
    result = show(study, name, run, against)
    _check(result)
    told = [answer for answer in result.answers if "other tokens" in answer or "different tokens" in answer]
    assert len(told) == (LEARNED in (run, against) and not find_view(name).alone)
    assert not any("was not measured" in answer for answer in result.answers)
