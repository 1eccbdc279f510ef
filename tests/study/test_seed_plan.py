"""``workbench plan`` and what ``check`` says of power: known answers, sources, and a run of each command."""

import json
from dataclasses import asdict

import pytest
import yaml

from tests.analysis.synthetic_studies import BASELINE_LOSSES, Study, full_study, manifest, shifted
from tests.in_process import workbench
from workbench.analysis.deciding.design_chances import smallest_different, word_chances
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.power import BEYOND_LIMIT, detectable_effect, equivalence_power
from workbench.errors import UserError
from workbench.study.seed_plan import Wanted, plan_seeds, render_seed_plan
from workbench.terminal import Terminal

SECONDS = 36.0  # of each synthetic trial
BEFORE = 6 * 4  # trials of tuning: three rates at two seeds for four variants; its pilot is not planned again


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Four variants, of which LayerNorm's difference has an sd of .0025, ReLU's one of .025."""
    folder = tmp_path_factory.mktemp("results")
    full_study(folder / "full", name="full")
    return folder


def facts(results, study="full", **wanted):
    return plan_seeds(study, Wanted(**wanted), overrides=[], workers=1, out=results)


def seeds(found, column="likely"):
    return {row["variant"]: row["seeds"][column] for row in found["comparisons"]}


def single(folder, sd=1.0):
    """A study of one comparison: no family to share the error with."""
    entries = [entry for entry in manifest()["variants"] if entry["name"] in ("baseline", "norm=layernorm")]
    written = Study(folder, manifest(entries, name="single", margin=1.0)).tune()
    return written.confirm("baseline", BASELINE_LOSSES).confirm("norm=layernorm", shifted(0.0, spread=sd))


HALF_WAY = ((1.5, 5), (0.5, 27), (0.25, 101))


@pytest.mark.parametrize(
    ("wanted", "n"),
    [
        *[({"margin": margin}, n) for margin, n in [(3, 3), (2, 4), (1, 11), (0.5, 36), (0.25, 139)]],
        *[
            ({"margin": m, "verdict": "equivalent", "effect": m / 2}, n)
            for m, n in [(3, 5), (1, 27), (0.5, 101)]
        ],
        *[
            ({"margin": 1, "effect": 1 + gap}, n)
            for gap, n in [(3, 4), (1.5, 6), (1, 10), (0.5, 34), (0.25, 128)]
        ],
        ({"margin": 1, "effect": -2.0}, 10),
        ({"margin": 0.001}, BEYOND_LIMIT),
    ],
)
def test_known_answers(tmp_path, wanted, n):
    single(tmp_path / "single")
    found = facts(tmp_path, "single", sd=1.0, **wanted)
    assert (found["family"], seeds(found), seeds(found, "safe")) == (
        1,
        {"norm=layernorm": n},
        {"norm=layernorm": n},
    )


def test_likely_and_safe_are_of_the_noise_that_was_measured(results):
    found = facts(results)
    assert (found["verdict"], found["family"]) == ("equivalent", 3)
    relu = found["comparisons"][2]
    assert relu["noise"]["safe_sd"] == pytest.approx(1.558 * relu["noise"]["sd"], rel=1e-3)
    assert "5 pairs of the same comparison in full" in relu["noise"]["source"]
    likely, safe = seeds(found), seeds(found, "safe")
    assert likely["norm=layernorm"] < likely["feedforward=relu"] < safe["feedforward=relu"]
    for sd, n in (("sd", likely), ("safe_sd", safe)):
        power = [
            equivalence_power(0.02, relu["noise"][sd], n["feedforward=relu"] - less, comparisons=3)
            for less in (0, 1)
        ]
        assert power[0] >= 0.8 > power[1]


def test_the_most_demanding_comparison_sets_the_cost(results):
    found = facts(results, price=2.0, watts=500.0)
    n = seeds(found)["feedforward=relu"]
    needed = found["needed"]["likely"]
    assert (needed["seeds"], needed["trials"]) == (n, BEFORE + 4 * n)
    assert needed["seconds"] == pytest.approx((BEFORE + 4 * n) * SECONDS)
    hours = needed["seconds"] / 3600
    assert (needed["machine_hours"], needed["cost"]) == (pytest.approx(hours), pytest.approx(2 * hours))
    assert needed["kwh"] == pytest.approx(hours * 0.5 * 1.1)
    assert found["needed"]["safe"]["seconds"] > needed["seconds"]
    assert found["planned"]["trials"] == BEFORE + 4 * 5


def test_what_a_time_decides(results):
    minutes = (BEFORE + 6 * 4 + 1) * SECONDS / 60
    within = facts(results, minutes=minutes)["within"]
    assert within["seeds"] == 6
    layernorm = within["decides"][1]
    sd = layernorm["noise"]["sd"]
    assert layernorm["smallest_effect"]["likely"] == pytest.approx(
        0.02 + detectable_effect(sd, 6, comparisons=3)
    )
    assert layernorm["equivalent_if_equal"]["likely"] == equivalence_power(0.02, sd, 6, comparisons=3)
    text = printed(facts(results, minutes=minutes))
    assert "in 29 min: n = 6, decides |effect| ≥ 0.0" in text
    assert "in 60 s: n = 0, decides nothing" in printed(facts(results, minutes=1))


def printed(found):
    page = Terminal(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115 (closed with the page)
    page.print(render_seed_plan(found))
    return page.export_text()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"verdict": "different"}, r"--effect: how large .* for example --effect 0\.04"),
        (
            {"effect": 0.01},
            r"--effect: 0\.01 is not beyond the margin 0\.02 of positions=learned.*--verdict equivalent",
        ),
        ({"effect": 0.03, "verdict": "equivalent"}, r"--effect: 0\.03 is not within the margin 0\.02"),
    ],
)
def test_questions_that_no_number_of_seeds_answers(results, wanted, said):
    with pytest.raises(UserError, match=said):
        facts(results, **wanted)


def test_a_study_without_results_and_a_name_that_is_none(results, tmp_path):
    with pytest.raises(UserError, match=r"nothing: is neither a study file nor .*with results: full"):
        facts(results, "nothing")
    Study(tmp_path / "begun", manifest(name="begun"))
    with pytest.raises(UserError, match=r"no trial of it is complete.*give its study file"):
        facts(tmp_path, "begun")
    with pytest.raises(UserError, match="--set: full is a study with results"):
        plan_seeds("full", Wanted(), overrides=["margin=1"], workers=1, out=results)


def test_where_no_noise_is_known_it_is_asked_for(tmp_path):
    Study(tmp_path / "begun", manifest(name="begun")).tune()
    with pytest.raises(UserError, match=r"--sd: no finished study .* validation/loss .*--sd 0\.03, or run"):
        facts(tmp_path, "begun")
    assert facts(tmp_path, "begun", sd=0.01)["comparisons"][0]["noise"]["source"] == "--sd, assumed"


STUDY = {
    "name": "tiny",
    "question": "Is [bold]it[/bold] so?",
    "context": 16,
    "size": {"layers": 1, "width": 16, "heads": 2},
    "factors": {"norm": ["rmsnorm", "layernorm"], "feedforward": ["swiglu", "relu"]},
    "data": {"corpus": {"path": "texts"}},
    "training": {"tokens": 640, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 32},
    "learning_rates": [0.01, 0.02],
    "seeds": {"tune": 1, "confirm": 3},
    "margin": {"default": 0.001, "norm": 0.02},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A place with a text, a study file, and a finished study of the same comparisons."""
    place = tmp_path_factory.mktemp("plan")
    (place / "texts").mkdir()
    for index in range(8):
        (place / "texts" / f"{index}.txt").write_text(f"{index} is a number of this text\n" * 20)
    (place / "tiny.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    full_study(place / "results" / "full", name="full", data={"tokenizer": "bytes"})
    return place


def test_plan_of_a_study_file(folder):
    answer = workbench(folder, "plan", "tiny.yaml", "--minutes", "600", "--workers", "1", "--json")
    found = json.loads(answer.stdout)
    assert [(row["variant"], row["margin"]) for row in found["comparisons"]] == [
        ("norm=layernorm", 0.02),
        ("feedforward=relu", 0.001),
    ]
    assert (found["planned"]["trials"], found["needed"]["likely"]["seeds"]) == (6 + 9, BEYOND_LIMIT)
    assert found["needed"]["likely"]["seconds"] is None
    assert 0 < found["planned"]["seconds"] < 60
    assert found["within"]["seeds"] > 3
    told = workbench(folder, "plan", "tiny.yaml", "--effect", "0.05").stdout
    assert "Is [bold]it[/bold] so?" in told
    assert "5 pairs of the same comparison in full (123,456 parameters, 500,000 tokens)" in told


def test_plan_of_a_finished_study(folder):
    told = workbench(folder, "plan", "full", "--minutes", "40").stdout
    assert "36 s a trial (of the trials of full); tuning included" in told
    assert "in 40 min: n = " in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--power", "80"), "80 is not above 0 and below 1"),
        (("--margin", "0,5"), "write 0.5"),
        (("--sd", "nan"), "is no number"),
        (("--minutes", "-1"), "-1 is not above 0"),
        (("--set", "margin.norms=1"), "margin.norms: no variant"),
        (("--out", "texts"), "--sd: no finished study"),
    ],
)
def test_mistakes_end_with_code_2_and_what_to_write(folder, arguments, said):
    answer = workbench(folder, "plan", "tiny.yaml", *arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert said in " ".join(answer.stderr.replace("│", " ").split())


def test_check_says_what_the_seeds_can_decide(folder):
    answer = workbench(folder, "check", "tiny.yaml", "--json")
    found = json.loads(answer.stdout)
    norm, relu = found["decides"]
    if_equal = equivalence_power(0.02, norm["noise"]["sd"], 3, comparisons=2)
    assert norm["equivalent_if_equal"]["likely"] == if_equal
    assert norm["smallest_effect"]["likely"] > 0.02
    (warning,) = [text for text in found["warnings"] if "called equivalent" in text]
    assert relu["equivalent_if_equal"]["likely"] < 0.5
    assert warning.startswith(
        "feedforward=relu: an effect of zero would be called equivalent within ±0.001 in <1 % of such "
        "studies; seeds.confirm: >1000 reach 50 %, >1000 reach 80 %; or margin: 0."
    )
    told = workbench(folder, "check", "tiny.yaml").stdout
    assert "What 3 seeds can decide" in told
    assert "noise:    5 pairs of the same comparison in full" in told


@pytest.mark.parametrize("command", ["check", "plan"])
@pytest.mark.parametrize(("pilot", "times"), [("3", 1), ("[4, 5]", 1), ("0", 0)])
def test_a_pilot_is_said_to_have_no_effect(folder, command, pilot, times):
    answer = workbench(folder, command, "tiny.yaml", "--set", f"seeds.pilot={pilot}", "--json")
    note = "note: seeds.pilot: has no effect any more, as the first pairs of confirm show the noise"
    assert answer.stderr.count(note) == times
    assert "pilot" not in answer.stdout


def test_check_without_any_noise_says_so_in_a_line(folder):
    told = workbench(folder, "check", "tiny.yaml", "--out", "elsewhere").stdout
    (line,) = [line for line in told.splitlines() if line.startswith("decides:")]
    assert (
        line
        == "decides:  not known: no finished study measured this noise; 'workbench plan' takes one as --sd"
    )


UNTIL = ("--set", "seeds={pilot: 0, tune: 1, confirm: until_decided, at_least: 4, at_most: 16}")


def test_plan_of_a_study_until_all_is_decided_says_how_often_each_word_is(folder):
    answer = workbench(folder, "plan", "tiny.yaml", *UNTIL, "--minutes", "600", "--effect", "0.05", "--json")
    found = json.loads(answer.stdout)
    norm, relu = found["comparisons"]
    assert [at["margins"] for at in norm["words"]] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5])
    assert [at["difference"] for at in relu["words"]] == pytest.approx(
        [0, 0.0005, 0.001, 0.0015, 0.002, 0.05]
    )
    rule = Rule.until(4, 16, 2)
    noise = relu["noise"]
    for key, sd in (("likely", noise["sd"]), ("safe", noise["safe_sd"])):
        assert relu["words"][0][key] == asdict(word_chances(rule, 0.001 / sd, 0.0))
    assert relu["words"][0]["likely"]["at_the_margin"] > 0.9 > norm["words"][0]["likely"]["at_the_margin"]
    assert "needed" not in found
    # Equals take what half of such studies stay within, the baseline as many as the most of the others.
    pairs = found["if_equal"]["likely"]["pairs"]
    assert pairs["baseline"] == max(pairs["norm=layernorm"], pairs["feedforward=relu"])
    assert found["if_equal"]["likely"]["trials"] == 6 + sum(pairs.values())
    assert found["planned"]["trials"] == 6 + 3 * 16
    assert found["within"]["seeds"] == 16  # no more than it may take, however long there is

    told = workbench(folder, "plan", "tiny.yaml", *UNTIL, "--minutes", "600").stdout
    assert "Of a change that does nothing the likeliest verdict is equivalent for norm=layernorm" in told
    assert "; at the margin for feedforward=relu" in told
    assert "What looks at 4, 8, 16 pairs can decide" in told
    assert "How often each word is said" in told
    assert told.count("What looks at") == 1  # so much time decides what was planned
    assert "seeds for a chance" not in told


def test_a_time_that_ends_before_the_first_look_decides_nothing(folder):
    told = workbench(folder, "plan", "tiny.yaml", *UNTIL, "--minutes", "0.00001").stdout
    assert "decides nothing: the first look is at 4 pairs" in told


def test_check_of_a_study_until_all_is_decided_simulates_it(folder):
    found = json.loads(workbench(folder, "check", "tiny.yaml", *UNTIL, "--json").stdout)
    norm, relu = found["decides"]
    assert norm["looks"] == [4, 8, 16]
    for row, margin in ((norm, 0.02), (relu, 0.001)):
        sd = row["noise"]["sd"]
        words = word_chances(Rule.until(4, 16, 2), margin / sd, 0.0)
        assert row["equivalent_if_equal"]["likely"] == words.equivalent
        assert row["smallest_effect"]["likely"] == sd * smallest_different(Rule.until(4, 16, 2), margin / sd)
    (warning,) = [text for text in found["warnings"] if "called equivalent" in text]
    assert "seeds.confirm" not in warning
    assert "margin: 0." in warning
