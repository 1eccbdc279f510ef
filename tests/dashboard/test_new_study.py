"""The page New study: a form over YAML, the command's own check beside it, files under ablations alone."""

import re
import shutil
import time
from functools import partial
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import pytest

from tests.dashboard.test_literal_text import acting
from tests.dashboard.unfolded import unfolded
from workbench.dashboard.asking import draft, files, form, session
from workbench.dashboard.asking.checking import Checks
from workbench.dashboard.asking.draft import (
    FIRST,
    read_draft,
    typed,
    untyped,
    with_confirm,
    with_design,
    with_value,
)
from workbench.dashboard.asking.fields import FIELDS, described
from workbench.dashboard.turns import TURNS
from workbench.errors import UserError
from workbench.files import read_yaml, write_yaml
from workbench.study.check import check_study
from workbench.study.level_choices import factor_choices
from workbench.study.level_costs import baseline_levels, level_costs, model_at
from workbench.study.schema import load_study_file, study_files, study_of

ABLATIONS, PUBLISHED = (Path(__file__).parents[2] / name for name in ("ablations", "results/published"))
SMALL = FIRST.replace("400_000", "4_000").replace("until_decided, at_least: 4, at_most: 32", "2")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, as the one in which the dashboard was started."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def asked(opened, here, monkeypatch):
    """The page of a reader who came with the token, in a folder without studies; checks are done at once."""
    monkeypatch.setattr("workbench.dashboard.access.may_write", lambda: True)
    at_once = Checks(here / "results", submit=lambda work, *arguments: work(*arguments))
    monkeypatch.setattr("workbench.dashboard.asking.check_panel._checks", lambda results: at_once)
    kept = {}
    monkeypatch.setattr("workbench.dashboard.asking.session._last", lambda: kept)
    monkeypatch.setattr("workbench.study.check.probe_seconds", lambda variant, device: 1e-5)
    return opened(here / "results", "new_study")


def field(app, kind, key):
    """The widget of a kind whose key begins so: its round follows."""
    return next(item for item in app.get(kind) if (item.key or "").partition("#")[0] == key)


def yaml(app):
    return field(app, "text_area", "ask_yaml:").value


def metric(app, label):
    return next(item.value for item in app.metric if item.label.startswith(label))


def edit(app, text):
    return field(app, "text_area", "ask_yaml:").set_value(text).run()


def test_a_draft_whose_check_is_known_is_drawn_once(asked, opened, here, monkeypatch):
    edit(asked, SMALL)
    drawn = []
    monkeypatch.setattr("workbench.dashboard.asking.page.form", lambda: drawn.append("the form"))
    another = opened(here / "results", "new_study")  # of another reader, who goes on with the draft
    assert yaml(another) == SMALL
    assert metric(another, "Trials") == metric(asked, "Trials")
    assert drawn == ["the form"]


@pytest.mark.parametrize(
    "value",
    [
        *(0.1, 12, 400_000, 1e-5, True, [0.001, 0.002], [1], [None, 64], [[0.9, 0.95], [0.9, 0.99]]),
        *("llama", "a: b", "x, y", "no", "{a", "it's"),
        *({"name": "rope", "base": 500_000}, {"adamw": [0.1], "muon": [0.2]}),
    ],
)
def test_what_a_field_shows_is_read_back_as_it_was(value):
    assert typed(untyped(value)) == value


def test_a_key_is_changed_and_all_else_stays():
    values = {"size": {"layers": 2}, "own": [1], "data": "python-stdlib"}
    assert with_value(values, "size.width", 64) == values | {"size": {"layers": 2, "width": 64}}
    assert with_value(values, "size.layers", None) == {"own": [1], "data": "python-stdlib"}
    assert with_value(values, "data.tokenizer", "bytes")["data"] == {"tokenizer": "bytes"}
    assert values == {"size": {"layers": 2}, "own": [1], "data": "python-stdlib"}


def test_a_design_lays_aside_what_it_has_no_use_for_and_another_has_it_back():
    values = read_draft(FIRST)
    other, kept = with_design(values, "leave_one_out", {})
    assert "factors" not in other
    back, _ = with_design(other | {"reference": "gpt2"}, "one_at_a_time", kept)
    assert back["factors"] == values["factors"]
    assert "reference" not in back
    apart, _ = with_design(values, "dismantle", {})
    assert "baseline" not in apart


def test_bounds_go_with_what_they_bound():
    assert with_confirm(read_draft(FIRST), 8)["seeds"] == {"tune": 3, "confirm": 8}
    assert "at_most" in with_confirm(read_draft(FIRST), "until_decided")["seeds"]


@pytest.mark.parametrize("path", study_files(), ids=lambda path: path.stem)
def test_every_study_that_ships_means_the_same_once_it_was_written_anew(path):
    written = draft.write_draft(read_yaml(path))
    assert study_of(read_draft(written), path, complete=False) == load_study_file(path, complete=False)


def test_every_field_is_a_key_of_the_reference():
    assert all(described(field.key).about for field in FIELDS)


def test_levels_have_their_formulas_papers_and_costs():
    choices = factor_choices()
    (layernorm,) = [level for level in choices["norm"].levels if level.name == "layernorm"]
    assert "mean(x)" in layernorm.formula
    assert "1607.06450" in layernorm.paper
    model = model_at({"preset": "llama", "qkv_bias": True}, {"layers": 2, "width": 64, "heads": 4}, 128, 257)
    costs = level_costs(model, choices["norm"])
    # A bias of the width for each norm: two in each of two blocks, and the last one.
    assert costs["layernorm"].parameters - costs["rmsnorm"].parameters == 5 * 64
    assert costs["rmsnorm"].flops == model.flops_per_token()
    assert level_costs(model, choices["optimizer"]) == {}
    assert {"lion", "muon"} <= set(choices["optimizer"].names)
    levels = baseline_levels(model, ["norm", "optimizer", "of no model"])
    assert levels.costs == {"norm": costs, "optimizer": {}}
    assert (levels.parameters, levels.flops) == (costs["rmsnorm"].parameters, costs["rmsnorm"].flops)
    assert (levels.own["norm"], levels.own["qkv_bias"]) == ("rmsnorm", True)
    assert "optimizer" not in levels.own


def test_the_check_is_the_commands_own(asked, here, monkeypatch):
    edit(asked, SMALL)
    path = files.save("asked", SMALL)
    facts = check_study(path, overrides=[], workers=None, out=here / "results")
    assert not asked.exception
    assert metric(asked, "Trials") == str(facts["trials"]["total"])
    (table,) = [item.value for item in asked.dataframe if "change" in item.value]
    assert table["change"].tolist() == ["baseline", "norm: rmsnorm → layernorm"]
    assert table["parameters"].tolist() == [variant["parameters"] for variant in facts["variants"]]
    assert [item.value for item in asked.warning] != []
    assert len(asked.warning) == len(facts["warnings"])


def test_what_is_folded_away_stays_open_while_the_draft_is_checked(asked):
    def budget():
        return [item.value for item in asked.markdown if "**budget**" in item.value]

    edit(asked, SMALL)
    assert budget() == []
    unfolded(asked)
    (before,) = budget()
    edit(asked, SMALL.replace("layers: 2", "layers: two"))
    assert budget() == []
    edit(asked, SMALL.replace("4_000", "8_000"))
    assert budget() not in ([], [before])


def test_the_form_writes_its_key_and_the_yaml_is_read_back(asked):
    edit(asked, SMALL + "grid_growth: 0\n")
    field(asked, "text_input", "ask_form:size.layers").set_value("3").run()
    assert read_draft(yaml(asked)) == read_draft(SMALL) | {
        "size": {"layers": 3, "width": 64, "heads": 4},
        "grid_growth": 0,  # which the form does not know
    }
    edit(asked, yaml(asked).replace("layers: 3", "layers: 4").replace("0.0015, ", ""))
    assert field(asked, "text_input", "ask_form:size.layers").value == "4"
    assert field(asked, "text_input", "ask_form:learning_rates").value == "0.003, 0.006"
    field(asked, "text_input", "ask_form:learning_rates").set_value("0.004").run()
    assert read_draft(yaml(asked))["learning_rates"] == [0.004]
    assert not asked.exception


def test_form_and_yaml_do_not_undo_each_other_when_a_browser_is_slow(monkeypatch):
    """It sends what the one showed before it has heard of a change in the other."""
    state = {}
    monkeypatch.setattr("streamlit.session_state", state)
    monkeypatch.setattr("workbench.dashboard.asking.session._last", dict)
    context = next(one for one in FIELDS if one.key == "context")
    shown, box = session.key_of(session.FORM, "context"), session.key_of(session.YAML)
    state |= {shown: "128", box: SMALL.replace("context: 128", "context: 64")}
    session.take_yaml(box)
    form._changed(context, shown)
    assert session.values()["context"] == 64
    now = session.key_of(session.FORM, "context")
    state[now] = "32"
    form._changed(context, now)
    session.take_yaml(box)
    assert session.values()["context"] == 32


def test_what_a_stopped_run_told_a_widget_is_told_again(monkeypatch):
    """Else the widget is empty, and what it sends empties the draft."""

    class State(dict):
        set_now = ()

        def __setitem__(self, key, value):
            self.set_now = {*self.set_now, key}
            super().__setitem__(key, value)

    def run(*, to_its_end):
        state.set_now = set()
        session.show("factors", ["norm"])
        told = "factors" in state.set_now
        if to_its_end:
            session.drawn()
        return told

    state = State()
    monkeypatch.setattr("streamlit.session_state", state)
    assert [run(to_its_end=end) for end in (False, False, True, True, True, False)] == [True] * 4 + [
        False
    ] * 2
    state["factors"] = ["positions"]  # an older browser's, of which the draft knows nothing
    assert run(to_its_end=True)


def test_what_is_being_typed_is_left_alone(asked):
    """A field that were told its text anew would lose what is typed and not sent yet."""
    texts = [*asked.get("text_input"), *asked.get("text_area")]
    edit(asked, SMALL)
    after = [*asked.get("text_input"), *asked.get("text_area")]
    asked_for = {item.key.partition("#")[0]: item.value for item in after}
    assert asked_for["ask_file:"] == "my-study"
    assert asked_for["ask_form:margin"] == "0.04"
    assert [item.key for item in [*texts, *after] if item.proto.set_value] == []


def test_a_field_that_comes_back_shows_the_draft(asked):
    edit(asked, FIRST)
    assert field(asked, "text_input", "ask_form:seeds.at_most").value == "32"
    field(asked, "selectbox", "ask_form:seeds.confirm").set_value("8").run()
    field(asked, "selectbox", "ask_form:seeds.confirm").set_value("until_decided").run()
    at_most = read_draft(yaml(asked))["seeds"].get("at_most")
    assert field(asked, "text_input", "ask_form:seeds.at_most").value == untyped(at_most)


def test_a_factor_begins_with_the_baselines_level_and_another(asked):
    edit(asked, SMALL)
    field(asked, "multiselect", "ask_form:factors").set_value(["norm", "positions", "optimizer"]).run()
    factors = read_draft(yaml(asked))["factors"]
    assert factors["norm"] == ["rmsnorm", "layernorm"]
    assert factors["positions"][0] == "rope"
    assert factors["optimizer"][0] == "adamw"
    levels = field(asked, "multiselect", "ask_form:levels_positions")
    levels.set_value(["rope", "{name: rope, base: 500_000}"]).run()
    assert read_draft(yaml(asked))["factors"]["positions"] == ["rope", {"name": "rope", "base": 500_000}]
    assert not asked.error
    assert metric(asked, "Variants") == "4"


@pytest.mark.parametrize(
    ("before", "after", "key", "remedy"),
    [
        ("layernorm", "layrnorm", "norm", "did you mean 'layernorm'"),
        ("margin: 0.04\n", "", "margin", "needed and missing"),
        ("400_000", "20,000", "20,000", "write 20_000"),
        ("batch_size: 8", "batch_size: 8, batchsize: 9", "batchsize", "batch_size"),
    ],
)
def test_a_mistake_is_the_one_line_of_the_command(asked, before, after, key, remedy):
    edit(asked, FIRST.replace(before, after))
    (line,) = {item.value for item in asked.error}
    assert key in line
    assert remedy in line
    assert not asked.exception
    edit(asked, SMALL)
    assert not asked.error


def test_what_is_no_yaml_leaves_the_text_and_gives_the_form_back(asked):
    edit(asked, "question: [")
    assert yaml(asked) == "question: ["
    assert "cannot be read" in asked.error[0].value
    assert not [item for item in asked.text_input if item.label == "Context"]
    edit(asked, SMALL)
    assert field(asked, "text_input", "ask_form:context").value == "128"


def test_the_yaml_of_a_stranger_is_text(asked):
    edit(asked, FIRST.replace("norm: [rmsnorm", "'![](http://h/x) :red[a]': ['![](http://h/x)'"))
    assert not asked.exception
    assert acting(asked) == {}


def test_a_draft_is_saved_under_ablations_and_over_nothing_unasked(asked, here):
    edit(asked, SMALL)
    field(asked, "text_input", "ask_file:").set_value("mine").run()
    asked.button(key="ask_save").click().run()
    file = here / "ablations" / "mine.yaml"
    assert file.read_text() == SMALL
    assert asked.button(key="ask_save").disabled
    edit(asked, SMALL.replace("0.04", "0.05"))
    assert file.read_text() == SMALL
    assert asked.button(key="ask_save").label == "Replace the file"
    asked.button(key="ask_save").click().run()
    assert load_study_file(file).margin == 0.05


@pytest.mark.parametrize("name", ["../out", "a/b", "/etc/passwd", "", ".", "..", "a\\b", "a b", "x\n", "é"])
def test_a_name_is_a_plain_one(here, name):
    with pytest.raises(UserError, match="no plain name"):
        files.save(name, SMALL)
    assert list(here.iterdir()) == []


def test_a_file_that_came_in_between_is_not_replaced(here):
    files.save("mine", SMALL)
    with pytest.raises(UserError, match="is there already"):
        files.save("mine", FIRST)
    assert files.save("mine", SMALL) == Path("ablations/mine.yaml")


def test_a_reloaded_page_has_the_draft_and_another_can_be_begun(asked, opened, here):
    edit(asked, SMALL)
    field(asked, "text_input", "ask_file:").set_value("mine").run()
    again = opened(here / "results", "new_study")
    assert yaml(again) == SMALL
    assert field(again, "text_input", "ask_file:").value == "mine"
    again.selectbox(key="ask_begin").set_value("a small example").run()
    assert yaml(again) == FIRST
    assert field(again, "text_input", "ask_file:").value == "my-study"


def test_a_draft_that_made_way_for_another_can_be_taken_back(asked, opened, here):
    def offered(app):
        return [one for one in app.button if one.key == "ask_take_back"]

    begin = "ask_begin"
    asked.selectbox(key=begin).set_value("a small example").run()
    assert not offered(asked)  # nothing was changed in the one before
    edit(asked, SMALL)
    field(asked, "text_input", "ask_file:").set_value("mine").run()
    asked.selectbox(key=begin).set_value("a small example").run()
    assert yaml(asked) == FIRST
    assert "The draft mine, which was not saved" in "".join(one.value for one in asked.caption)
    offered(asked)[0].click().run()
    assert (yaml(asked), field(asked, "text_input", "ask_file:").value) == (SMALL, "mine")
    assert not offered(asked)  # the example had no change either
    again = opened(here / "results", "new_study")  # a reloaded page knows that it is changed
    again.selectbox(key=begin).set_value("a small example").run()
    assert offered(again)
    files.save("mine", SMALL)
    assert not offered(again.run())


def test_a_study_is_cloned_from_its_file_and_from_its_results(asked, here):
    files.save("asked", SMALL)
    (here / "results").mkdir()
    (here / "results" / "quickstart").symlink_to(PUBLISHED / "quickstart")
    asked.run()
    begin = asked.selectbox(key="ask_begin")
    assert begin.options == [
        "ablations/asked.yaml",
        "results of published/quickstart",
        "a small example",
    ]
    begin.set_value("ablations/asked.yaml").run()
    assert yaml(asked) == SMALL
    assert field(asked, "text_input", "ask_file:").value == "asked"
    asked.selectbox(key="ask_begin").set_value("results of published/quickstart").run()
    assert not asked.exception
    values = read_draft(yaml(asked))
    assert values["factors"]["positions"] == ["rope", "learned"]
    assert values["seeds"]["offset"] == 10_000
    assert field(asked, "text_input", "ask_file:").value == "quickstart-2"
    assert not asked.error


def test_a_link_asks_a_study_again_once(asked, opened, here):
    (here / "results" / "published").mkdir(parents=True)
    (here / "results" / "published" / "quickstart").symlink_to(PUBLISHED / "quickstart")
    watch = opened(here / "results", "watch", study="published/quickstart")
    (link,) = [one.proto for one in watch.get("page_link") if one.proto.label == "Ask it again"]
    query = {name: values[0] for name, values in parse_qs(link.query_string).items()}
    app = opened(here / "results", link.page, **query)
    assert not app.exception
    assert read_draft(yaml(app))["factors"]["positions"] == ["rope", "learned"]
    assert field(app, "text_input", "ask_file:").value == "quickstart"
    assert "begin" not in app.query_params  # or a reload would take what is written since
    question = field(app, "text_area", "ask_form:question")
    question.set_value("Another one").run()
    assert read_draft(yaml(app))["question"] == "Another one"
    again = opened(here / "results", "new_study", begin="published/gone")
    assert "published/gone again, which has no results here" in again.error[0].value
    assert read_draft(yaml(again))["question"] == "Another one"


def test_what_its_manifest_does_not_say_is_read_from_its_file_as_it_was_run(here):
    study = here / "results" / "search"
    shutil.copytree(PUBLISHED / "search", study, ignore=shutil.ignore_patterns("runs", "*.parquet"))
    manifest = read_yaml(study / "study.yaml")
    source = files.Source("results of search", study, "search-2")
    write_yaml(study / "study.yaml", manifest | {"command": "workbench run gone.yaml --set search.trials=7"})
    (here / "ablations").mkdir()
    with pytest.raises(UserError, match="is a search"):
        files.Source("results of gone", study.rename(here / "results" / "gone"), "gone-2").text()
    study = (here / "results" / "gone").rename(study)
    (here / "ablations" / "search.yaml").write_text((ABLATIONS / "search.yaml").read_text())
    assert read_draft(source.text())["search"]["trials"] == 7


def test_without_the_token_nothing_can_be_asked(opened, here):
    app = opened(here / "results", "new_study")
    assert not app.exception
    assert not app.text_area
    assert not app.text_input
    assert "This page only reads" in app.info[0].value


def test_a_text_of_the_internet_waits_until_somebody_asks_for_it(here):
    begun = []
    checks = Checks(here / "results", submit=lambda work, *arguments: begun.append((work, arguments)))
    text = SMALL.replace("corpus: python-stdlib", "corpus: {huggingface: some/set, field: text}")
    check = checks.check("one", text, Path("ablations/x.yaml"))
    ((work, arguments),) = begun
    work(*arguments)
    assert check.done
    assert check.download == "some/set"
    assert check.facts is None


def test_what_a_session_no_longer_asks_is_not_checked(here):
    begun = []
    checks = Checks(here / "results", submit=lambda work, *arguments: begun.append((work, arguments)))
    first = checks.check("one", SMALL, Path("ablations/x.yaml"))
    checks.check("one", "question: [", Path("ablations/x.yaml"))
    for work, arguments in begun:
        work(*arguments)
    assert first.facts is None
    assert checks.check("one", "question: [", Path("ablations/x.yaml")).error
    assert checks.check("one", SMALL, Path("ablations/x.yaml")) is not first


def test_checking_makes_nobody_wait(here):
    checks, found = Checks(here / "results"), []
    ask = partial(checks.check, "one", "question: [", Path("ablations/x.yaml"))
    asking = Thread(target=lambda: found.append(ask()), daemon=True)
    with TURNS.stepping(for_page=True):  # no check is made meanwhile
        asking.start()
        asking.join(60)
        (check,) = found
        assert not check.done
    began = time.monotonic()
    while not check.done:
        assert time.monotonic() - began < 60
        time.sleep(0.02)
    assert "cannot be read as YAML" in check.error


def test_what_is_left_of_the_width_goes_to_the_check(asked):
    (style,) = [one.proto.body for one in asked.get("html") if "ask_parts" in one.proto.body]
    (form_share, form_width), (check_share, check_width) = re.findall(r"flex:(\d+) 1 (\d+)px", style)
    assert int(check_share) > 100 * int(form_share)
    assert int(form_width) + int(check_width) <= 976  # of a page of 1440 pixels with its sidebar
