import pandas as pd
import pytest

from workbench.dashboard.run_query import query_runs
from workbench.errors import UserError


def _run(name, seed, rate, width, **more):
    config = {"model": {"width": width, "norm": {"name": "rmsnorm"}}, "training": {"width": 1}}
    if width == 64:
        del config["training"]
    point = {"learning_rate": rate}
    own = {"variant": name, "seed": seed, "hyperparameters": point, "config": config, "state": "complete"}
    return {"run_id": f"{name}{seed}"} | own | {"validation/loss": 3.0 + rate} | more


RUNS = pd.DataFrame(
    [_run("a", 1, 0.001, 64), _run("a", 3, 0.004, 64), _run("b b", 3, 0.002, 32), _run("b b", 4, 0.008, 32)]
)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", [0, 1, 2, 3]),
        ("learning_rate > 0.002 and seed == 3", [1]),
        ("learning_rate>2e-3 or seed=1", [0, 1, 3]),
        ("seed == 1 or seed == 3 and learning_rate <= 0.002", [0, 2]),
        ("variant == 'b b'", [2, 3]),
        ("variant != a", [2, 3]),
        ("model.width < 64", [2, 3]),
        ("training.width == 1", [2, 3]),
        ("training.width != 1", [0, 1]),  # those that lack it too
        ("norm.name == RMSNorm AND validation/loss >= 3.004", [1, 3]),
        ("seed > 99", []),
        ("variant > 'a' or seed == 1", None),
    ],
)
def test_the_rows_for_which_it_holds(text, places):
    if places is None:
        with pytest.raises(UserError, match="> needs a number, and 'a' is none"):
            query_runs(RUNS, text)
        return
    assert query_runs(RUNS, text).index.tolist() == places


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learning_rat > 1", "no run has a key 'learning_rat'; did you mean 'learning_rate'"),
        ("width == 1", "'width' is several keys; write one of model.width, training.width"),
        ("seed", "'seed' is no comparison; write for example"),
        ("seed == ", "is no comparison"),
        ("== 3", "is no comparison"),
        ("seed == 3 seed == 4", "expected 'and' or 'or' before 'seed'"),
        ("seed == 3 and", "nothing follows 'and'"),
        ("seed == 'three", "cannot be read"),
        ("__import__('os').system('true') == 0", "is no comparison"),
        ("seed == " + "1" * 2_000, "characters are too many"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(text, said):
    with pytest.raises(UserError) as raised:
        query_runs(RUNS, text)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_page_filters_by_it_and_says_what_is_wrong(opened, results):
    app = opened(results, "runs", query="seed == 201 and variant == baseline")
    assert not app.exception
    assert len(app.dataframe[0].value) == 1
    app.text_input(key="query").set_value("sead == [x](http://h)").run()
    assert not app.exception
    assert app.error[0].value.startswith("query: no run has a key 'sead'")
    assert len(app.dataframe[0].value) > 1
