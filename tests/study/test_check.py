"""``workbench check``: warnings that name what is doubtful, and none where nothing is."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from tests.analysis.synthetic_studies import RATES, Study, manifest, one_at_a_time
from workbench.cli.main import app
from workbench.data.batches import prepare
from workbench.errors import UserError
from workbench.model import preset
from workbench.model.parts.positions import Positions
from workbench.study import check
from workbench.study.check import seconds_per_token
from workbench.study.plan import Plan
from workbench.study.rate_spacing import spacing_warnings
from workbench.study.schema import parse_study
from workbench.study.warnings import notes_on_texts, study_warnings

STUDY = {
    "name": "tiny",
    "question": "does it?",
    "context": 32,
    "size": {"layers": 2, "width": 64, "heads": 4},
    "factors": {"norm": ["rmsnorm", "layernorm"]},
    "training": {"tokens": 2560, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 64},
    "learning_rates": [0.01],
    "seeds": {"confirm": 3},
    "margin": 0.01,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A text of about 20,000 bytes."""
    folder = tmp_path_factory.mktemp("check")
    for index in range(20):
        (folder / f"{index}.txt").write_text("".join(f"{index} has line {line}\n" for line in range(60)))
    return prepare({"path": str(folder)}, "bytes", folder / "cache")


@pytest.fixture
def warnings(corpus):
    """``warnings(match="none")``: what check would say of the study with changes."""

    def check(trained: Any = None, **changes) -> list[str]:
        plan = Plan.build(parse_study(STUDY | changes, "study.yaml"), corpus, "cpu", trained)
        return study_warnings(plan, plan.manifest(command=""))

    return check


def variants(*entries, **more):
    return {"design": "explicit", "factors": {}, "variants": list(entries)} | more


def test_a_sound_study_has_no_warning(warnings):
    assert warnings() == []


@pytest.mark.parametrize(("generated", "noted"), [("keep", True), ("drop", False)])
def test_what_is_known_of_the_default_corpus_is_noted(corpus, generated, noted):
    data = {"corpus": {"name": "python-stdlib", "generated_files": generated}}
    plan = Plan.build(parse_study(STUDY | {"data": data}, "study.yaml"), corpus, "cpu")
    notes = notes_on_texts(plan)
    assert [note.startswith("data.corpus: an eighth of python-stdlib") for note in notes] == [True] * noted
    assert study_warnings(plan, plan.manifest(command="")) == []


def test_a_variant_with_a_budget_of_its_own_is_told_apart(corpus, monkeypatch, tmp_path):
    half = {"size": {"layers": 1}}
    entries = ({"name": "half", **half}, {"name": "half for longer", **half, "budget": "flops"})
    plan = Plan.build(parse_study(STUDY | variants(*entries), "study.yaml"), corpus, "cpu")
    monkeypatch.setattr(check, "make_plan", lambda *_: plan)
    facts = check.check_study(tmp_path / "study.yaml", overrides=[], workers=1, out=tmp_path)
    seen = Console(width=200, file=io.StringIO())
    seen.print(check.render_check(facts))
    shown = seen.file.getvalue()
    assert "2,560 tokens per trial; of half for longer as many FLOPs (20 to " in shown
    rows = [[cell.strip() for cell in line.split("│")] for line in shown.splitlines() if "│" in line]
    place = [cell.strip() for cell in shown.splitlines()[2].split("┃")].index("at equal")
    named = {row[1]: row[place] for row in rows if row[1] in plan.names}
    assert named == {"baseline": "—", "half": "training tokens", "half for longer": "FLOPs"}
    (sized,) = (text for text in facts["warnings"] if "at equal tokens the larger costs more" in text)
    assert sized.startswith("half: size:")  # the other is the row at equal FLOPs that it asks for


def test_too_few_seeds(warnings):
    (few,) = warnings(seeds={"confirm": 2})
    assert few.startswith("seeds.confirm: 2 seeds")


@pytest.mark.parametrize(("tune", "warned"), [(1, True), (2, True), (3, False)])
def test_few_tuning_seeds(warnings, tune, warned):
    found = warnings(learning_rates=[0.01, 0.02], seeds={"tune": tune, "confirm": 3})
    assert [text.partition(" may choose")[0] for text in found] == (
        [f"seeds.tune: {tune} seed{'s' if tune > 1 else ''}"] if warned else []
    )


@pytest.mark.parametrize(
    ("rates", "margin", "said"),
    [
        ([0.003, 0.006, 0.012], 0.02, "lose up to 0.0250 against"),
        ({"rmsnorm": [0.003, 0.004], "layernorm": [0.003, 0.012]}, 0.02, "lose up to 0.1000 against"),
        ([0.003, 0.006, 0.012], 0.03, None),
        ([0.003, 0.004, 0.006], 0.02, None),
        ([0.003], 0.02, None),
    ],
)
def test_rates_too_far_apart_for_the_margin(corpus, tmp_path, rates, margin, said):
    """By the curvature of the nearest tuned study: 0.1, of a study that is nearer than one of 0.4."""
    for name, steep, tokens in (("near", 1, 2_600), ("far", 4, 10**9)):
        (tmp_path / name).mkdir()
        training = {"tokens": tokens, "batch_size": 4, "steps": 20}
        study = Study(tmp_path / name, manifest(one_at_a_time()[:2], name=name, training=training))
        for rate, loss in zip(RATES, (3 + 0.1 * steep, 3, 3 + 0.1 * steep), strict=True):
            study.run("baseline", 101, loss, "tune", rate=rate)
    plan = Plan.build(
        parse_study(STUDY | {"learning_rates": rates, "margin": margin}, "study.yaml"), corpus, "cpu"
    )
    found = spacing_warnings(plan, tmp_path)
    assert len(found) == bool(said)
    assert all(said in text and "as in near (0.1 per octave" in text for text in found)
    assert spacing_warnings(plan, tmp_path / "nothing") == []


def test_repeated_text(warnings, corpus):
    (found,) = warnings(training=STUDY["training"] | {"tokens": 200_000})
    assert found.startswith(
        f"training.tokens: 12.3 epochs over {len(corpus.train):,} unique tokens; beyond 4 "
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"optimizer": "lion", "betas": [0.8, 0.9]}, "training.betas: lion does not read it"),
        ({"optimizer": "sgd", "epsilon": 1e-3}, "training.epsilon: sgd does not read it"),
        ({"schedule": "constant", "final_rate": 0.0}, "training.final_rate: constant does not read it"),
        (
            {"optimizer": "own_training:Signs"},
            "training.optimizer: own_training:Signs has no form for populations",
        ),
    ],
)
def test_what_an_optimizer_or_a_schedule_has_no_use_for(warnings, changes, said):
    (found,) = warnings(training=STUDY["training"] | changes)
    assert found.startswith(said)


@pytest.mark.parametrize("changes", [{"optimizer": "muon", "betas": [0.8, 0.9]}, {"schedule": "wsd"}])
def test_levels_of_ours_are_no_reason_for_a_warning(warnings, changes):
    assert warnings(training=STUDY["training"] | changes) == []


def test_a_budget_that_evaluations_round_up_by_much(warnings):
    (found,) = warnings(training=STUDY["training"] | {"evaluations": 19})
    assert found.startswith("training.evaluations: 4,864 tokens are 90 % more than asked")


def test_more_evaluations_than_steps_are_refused_from_a_start_too(corpus):
    training = STUDY["training"] | {"evaluations": 21}
    study = parse_study(STUDY | {"training": training, "context": 31}, "study.yaml")
    with pytest.raises(UserError, match=r"training\.evaluations: 21 .*20 or fewer"):
        Plan.build(study.model_copy(update={"context": 32}), corpus, "cpu")


def test_evaluations_that_were_left_out_do_not_raise_the_budget(corpus):
    training = {key: value for key, value in STUDY["training"].items() if key != "evaluations"}
    plan = Plan.build(parse_study(STUDY | {"training": training | {"tokens": 512}}, "s"), corpus, "cpu")
    assert (plan.tokens, plan.steps, plan.training.evaluations) == (512, 4, 4)


def test_want_of_memory_while_check_measures_names_the_variant(monkeypatch, corpus):
    def full(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    plan = Plan.build(parse_study(STUDY, "study.yaml"), corpus, "cpu")
    monkeypatch.setattr("workbench.study.check.Decoder", full)
    with pytest.raises(UserError, match=r"baseline: .* do not fit into memory; lower training\.batch_size"):
        seconds_per_token(plan)


@pytest.mark.parametrize(("passes", "warned"), [(3.9, False), (4.2, True)])
def test_more_than_four_passes_are_many(warnings, corpus, passes, warned):
    tokens = round(passes * len(corpus.train))
    assert bool(warnings(training=STUDY["training"] | {"tokens": tokens})) == warned


def test_the_time_is_that_of_every_phase():
    """Every variant has the same share of each."""
    seconds = {"baseline": 0.001, "norm=layernorm": 0.003}
    assert check._study_seconds({"tune": 4, "confirm": 6}, seconds) == pytest.approx(10 * 0.002)


def test_unequal_sizes_without_matching(warnings):
    (found,) = warnings(factors={"feedforward": ["swiglu", "relu"]}, match="none")
    assert found.startswith("feedforward=relu: ")
    assert "match is none" in found
    assert warnings(factors={"feedforward": ["swiglu", "relu"]}, match="parameters") == []


def test_a_size_that_matching_could_not_meet(warnings):
    size = {"layers": 1, "width": 16, "heads": 2}
    (found,) = warnings(factors={"attention_gate": ["none", "elementwise"]}, size=size)
    assert found.startswith("attention_gate=elementwise: ")
    assert "after matching" in found


@pytest.mark.parametrize(
    ("entry", "baseline"),
    [
        ({"name": "same", "qkv_bias": False}, "llama"),
        ({"name": "same", "attention_scale": 0.25}, "llama"),  # 1 / sqrt(16), the default
        ({"name": "same", "attention_pattern": "local"}, {"preset": "llama", "window": 8}),
        ({"name": "same", "norm_placement": "post"}, {"preset": "llama", "norm": "none"}),
    ],
)
def test_a_change_that_changes_nothing(warnings, entry, baseline):
    (found,) = warnings(**variants(entry), baseline=baseline)
    assert found.startswith("same: computes exactly what baseline does (")
    assert found.endswith("remove it")


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "other", "qkv_bias": True},
        {"name": "other", "attention_scale": 1.0},
        {"name": "other", "window": 8},
        {"name": "other", "norm_placement": "parallel"},
    ],
)
def test_a_change_that_changes_something(warnings, entry):
    assert not [text for text in warnings(**variants(entry)) if "computes exactly" in text]


@pytest.mark.parametrize(("trained_context", "doubtful"), [(16, True), (32, False), (64, False)])
def test_a_trained_position_table_that_is_too_short(warnings, monkeypatch, trained_context, doubtful):
    trained = preset("gpt2", vocabulary=257, context=trained_context, layers=1, width=32, heads=2)
    start = SimpleNamespace(model=trained, spec={"run": "r", "sha256": "0"}, transfer=lambda model: {})
    monkeypatch.delitem(STUDY, "size")
    found = warnings(start, start="r", factors={"positions": ["learned", "none"]})
    tables = [text for text in found if "trained table" in text]
    assert len(tables) == doubtful
    if doubtful:
        assert tables[0].startswith(
            "baseline: the trained table of positions ends at 16, before the context 32"
        )


def test_unequal_sizes_from_a_start_are_not_told_to_match(warnings, monkeypatch):
    trained = preset("llama", vocabulary=257, context=32)
    start = SimpleNamespace(model=trained, spec={"run": "r", "sha256": "0"}, transfer=lambda model: {})
    monkeypatch.delitem(STUDY, "size")
    (found,) = warnings(start, start="r", factors={"feedforward": ["swiglu", "relu"]})
    assert found.startswith("feedforward=relu: -")
    assert found.endswith("it is part of the difference")


class DoubtfulPositions(Positions):
    """Warns of itself."""

    class Config(Positions.Config):
        def num_parameters(self, model):
            return 0

        def warnings(self, model):
            return [f"doubtful at width {model.width}"]


def test_positions_warn_once_for_all_their_variants(warnings):
    code = f"{__name__}:DoubtfulPositions"
    assert warnings(factors={"positions": ["rope", code]}) == [
        f"positions={code}: doubtful at width 64",
    ]
    assert warnings(baseline={"preset": "llama", "positions": code}) == [
        "all variants: doubtful at width 64",
    ]


def test_the_terminal_shows_the_warnings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("".join(f"line {number} of some text\n" for number in range(400)))
    study = STUDY | {"data": {"corpus": {"path": "text.txt"}}, "seeds": {"confirm": 2}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({k: v for k, v in study.items() if k != "name"}))
    answer = CliRunner().invoke(app, ["check", "mine.yaml"])
    assert answer.exit_code == 0, answer.output
    assert "warning:  seeds.confirm: 2 seeds" in answer.output
