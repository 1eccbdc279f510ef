"""One study at its present look: words, the intervals they follow from, and who goes on."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from workbench.analysis.deciding.decisions import decide_study, level_text, remark
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.statistics import Interval, Verdict, compare_pairs, judge
from workbench.errors import UserError

MARGIN = 0.02


def sample(mean: float, sd: float, n: int, seed: int = 0) -> np.ndarray:
    """``n`` differences with exactly this mean and sd."""
    noise = np.random.default_rng(seed).standard_normal(n)
    return mean + sd * (noise - noise.mean()) / noise.std(ddof=1)


def word_of(decision, margin=MARGIN):
    """What the shown intervals say by themselves."""
    low, high = decision.interval.low, decision.interval.high
    if low > margin:
        return Verdict.WORSE
    if high < -margin:
        return Verdict.BETTER
    if -margin < decision.equivalence_interval.low and decision.equivalence_interval.high < margin:
        return Verdict.EQUIVALENT
    return Verdict.INCONCLUSIVE


def studies(count, n, comparisons):
    generator = np.random.default_rng(9)
    for _ in range(count):
        truths = generator.choice([0, 0.01, 0.03, 0.06, -0.05], comparisons)
        yield {str(k): generator.normal(truth, 0.015, n) for k, truth in enumerate(truths)}


def test_one_comparison_with_a_fixed_number_is_judged_as_ever():
    for differences in studies(60, 6, 1):
        found = decide_study(differences, MARGIN, Rule.fixed(6, 1))["0"]
        known = compare_pairs(differences["0"])
        assert found.verdict is judge(known, MARGIN)
        assert found.interval.low == pytest.approx(known.interval.low)
        assert found.interval.level == pytest.approx(0.95)
        assert found.equivalence_interval.high == pytest.approx(known.equivalence_interval.high)
        assert found.equivalence_interval.level == pytest.approx(0.90)
        assert (found.sd, found.n, found.goes_on, found.stopped) == (pytest.approx(known.sd), 6, False, None)


def test_a_fixed_number_is_holms_procedure_on_the_margin():
    """Against tests of scipy on both borders, adjusted by statsmodels."""
    words = set()
    for differences in studies(80, 6, 4):
        found = decide_study(differences, MARGIN, Rule.fixed(6, 4))
        beyond, within = [], []
        for values in differences.values():
            sides = {
                (border, side): stats.ttest_1samp(values, border, alternative=side).pvalue
                for border in (-MARGIN, MARGIN)
                for side in ("less", "greater")
            }
            beyond.append(min(2 * min(sides[MARGIN, "greater"], sides[-MARGIN, "less"]), 1))
            within.append(max(sides[MARGIN, "less"], sides[-MARGIN, "greater"]))
        different, held_beyond, *_ = multipletests(beyond, method="holm")
        equivalent, held_within, *_ = multipletests(within, method="holm")
        for place, decision in enumerate(found.values()):
            assert decision.difference_p == pytest.approx(held_beyond[place])
            assert decision.equivalence_p == pytest.approx(held_within[place])
            assert (decision.verdict in (Verdict.WORSE, Verdict.BETTER)) == different[place]
            assert (decision.verdict is Verdict.EQUIVALENT) == equivalent[place]
            words.add(decision.verdict)
    assert words == {Verdict.WORSE, Verdict.BETTER, Verdict.EQUIVALENT, Verdict.INCONCLUSIVE}


@pytest.mark.parametrize("rule", [Rule.fixed(8, 4), Rule.until(4, 64, 4), Rule.until(8, 8, 4)])
def test_the_word_follows_from_the_interval_that_is_shown(rule):
    for differences in studies(60, 8, 4):
        for decision in decide_study(differences, MARGIN, rule).values():
            if decision.verdict is not Verdict.AT_MARGIN:
                assert decision.verdict is word_of(decision)


def test_intervals_have_the_level_of_their_look_and_of_their_place():
    rule = Rule.until(4, 64, 3)
    one = {"far": sample(0.3, 0.01, 4), "other": sample(0.02, 0.02, 4), "third": sample(0.02, 0.02, 4, 1)}
    found = decide_study(one, MARGIN, rule)
    # The first was decided while three shared the error, and the others are tested with half of it.
    assert found["far"].verdict is Verdict.WORSE
    assert found["far"].levels == (rule.difference_level(3), rule.equivalence_level(3))
    assert level_text(found["far"].interval) == "99.6 %"
    for name in ("other", "third"):
        assert found[name].interval.level == pytest.approx(1 - rule.difference_level(2))
        # "Worse" left its share of equivalence to them too.
        assert found[name].equivalence_interval.level == pytest.approx(1 - 2 * rule.equivalence_level(2))
    alone = decide_study({"a": sample(0.3, 0.01, 4)}, MARGIN, Rule.until(4, 64, 1))["a"]
    assert level_text(alone.interval) == "98.8 %"
    assert alone.difference_p is None


def test_only_complete_looks_count_and_decided_ones_stop():
    rule = Rule.until(4, 64, 2)
    values = sample(0.04, 0.02, 16)
    for pairs, look, n in ((0, 0, 0), (3, 0, 0), (4, 1, 4), (7, 1, 4), (8, 2, 8), (15, 2, 8), (16, 3, 16)):
        found = decide_study({"a": values[:pairs]}, MARGIN, rule)["a"]
        assert (found.look, found.n) == (look, n)
        if n == 0:
            assert (found.verdict, found.interval, found.mean) == (Verdict.INCONCLUSIVE, None, None)
            assert found.goes_on
            assert found.stopped is None
    far = decide_study({"a": sample(0.5, 0.02, 8)}, MARGIN, rule)["a"]
    assert far.verdict is Verdict.WORSE
    assert far.stopped == "stopped at look 2 of 5"
    assert not far.goes_on


def test_what_is_decided_stays_so_while_others_go_on():
    rule = Rule.until(4, 64, 3)
    generator = np.random.default_rng(4)
    for _ in range(25):
        values = generator.normal([0.0, 0.06, 0.03], 0.03, (64, 3)).T
        seen = dict(zip("abc", [4, 4, 4], strict=True))
        words = {}
        while True:
            known = {name: values[k][: seen[name]] for k, name in enumerate("abc")}
            found = decide_study(known, MARGIN, rule)
            for name, word in words.items():
                assert found[name].verdict is word
            words |= {name: x.verdict for name, x in found.items() if x.is_decided}
            open_ones = [name for name, decision in found.items() if decision.goes_on]
            if not open_ones:
                break
            for name in open_ones:
                seen[name] = rule.next_look(seen[name])
        assert all(x.is_decided or x.verdict is Verdict.AT_MARGIN for x in found.values())


def test_a_comparison_that_enters_late_is_at_its_own_look():
    rule = Rule.until(4, 64, 2)
    early, late = sample(0.03, 0.0133, 16), sample(0.4, 0.012, 4)
    before = decide_study({"early": early, "late": []}, MARGIN, rule)
    after = decide_study({"early": early, "late": late}, MARGIN, rule)
    assert (before["early"].look, before["early"].levels[0]) == (3, rule.difference_level(2))
    assert (after["late"].look, after["late"].verdict) == (1, Verdict.WORSE)
    assert after["early"].levels == (rule.difference_level(1), rule.equivalence_level(1))
    # The share that the late one passes on decides the early one at the look where it stands.
    assert before["early"].verdict is Verdict.INCONCLUSIVE
    assert after["early"].verdict is Verdict.WORSE


def test_who_has_no_pairs_holds_a_place():
    values = sample(0.03, 0.008, 8)
    together = decide_study({"a": values}, MARGIN, Rule.fixed(8, 10))["a"]
    alone = decide_study({"a": values}, MARGIN, Rule.fixed(8, 1))["a"]
    assert together.interval.half_width > alone.interval.half_width
    assert together.difference_p == pytest.approx(10 * alone.difference_p)


def test_a_lost_pair_leaves_the_look_where_it_is():
    values = sample(0.04, 0.02, 8).tolist()
    values[2] = float("nan")
    found = decide_study({"a": values}, MARGIN, Rule.until(4, 64, 1))["a"]
    assert (found.look, found.n) == (2, 7)
    assert found.mean == pytest.approx(np.nanmean(values))
    lost = decide_study({"a": [float("nan")] * 8}, MARGIN, Rule.until(4, 64, 1))["a"]
    assert (lost.verdict, lost.n, lost.interval, lost.goes_on) == (Verdict.INCONCLUSIVE, 0, None, True)
    one = decide_study({"a": [0.5, float("nan"), float("nan"), float("nan")]}, MARGIN, Rule.until(4, 8, 1))[
        "a"
    ]
    assert (one.verdict, one.n, one.mean, one.sd) == (Verdict.INCONCLUSIVE, 1, 0.5, None)


def test_at_the_margin_from_eight_pairs_on():
    rule = Rule.until(4, 64, 1)
    by_look = [decide_study({"a": sample(0.02, 0.2, pairs)}, MARGIN, rule)["a"] for pairs in (4, 8)]
    assert (by_look[0].verdict, by_look[0].chance, by_look[0].goes_on) == (Verdict.INCONCLUSIVE, None, True)
    assert (by_look[1].verdict, by_look[1].goes_on) == (Verdict.AT_MARGIN, False)
    assert by_look[1].chance < 0.2
    assert by_look[1].stopped == "stopped at look 2 of 5"
    hopeful = decide_study({"a": sample(0.0, 0.03, 8)}, MARGIN, rule)["a"]
    assert (hopeful.verdict, hopeful.goes_on) == (Verdict.INCONCLUSIVE, True)
    assert hopeful.chance > 0.5


def test_a_share_that_is_passed_on_may_bring_a_comparison_back_from_the_margin():
    rule = Rule.until(4, 64, 10)
    at_margin = sample(0.0, 0.045, 8)
    alone = decide_study({"a": at_margin}, MARGIN, rule)["a"]
    others = {str(k): sample(0.5, 0.01, 8) for k in range(9)}
    beside_decided = decide_study({"a": at_margin, **others}, MARGIN, rule)["a"]
    assert (alone.verdict, alone.goes_on) == (Verdict.AT_MARGIN, False)
    assert (beside_decided.verdict, beside_decided.goes_on) == (Verdict.INCONCLUSIVE, True)
    assert beside_decided.chance > 0.2 > alone.chance


def test_the_last_look_leaves_nothing_to_hope_for():
    values = sample(0.02, 0.02, 16)
    last = decide_study({"a": values}, MARGIN, Rule.until(4, 16, 1))["a"]
    assert (last.verdict, last.chance, last.goes_on) == (Verdict.AT_MARGIN, 0.0, False)
    assert last.stopped == "stopped at look 3 of 3"
    # Six pairs are too few to say that of the truth, and a fixed number never promised more.
    few = decide_study({"a": values[:6]}, MARGIN, Rule.until(4, 6, 1))["a"]
    assert (few.verdict, few.goes_on) == (Verdict.INCONCLUSIVE, False)
    fixed = decide_study({"a": values}, MARGIN, Rule.fixed(16, 1))["a"]
    assert (fixed.verdict, fixed.chance, fixed.goes_on) == (Verdict.INCONCLUSIVE, None, False)


def test_margins_may_differ():
    values = sample(0.03, 0.008, 8)
    found = decide_study({"a": values, "norm": values}, {"a": 0.02, "norm": 0.05}, Rule.fixed(8, 2))
    assert found["a"].verdict is Verdict.WORSE
    assert found["norm"].verdict is Verdict.EQUIVALENT
    assert (found["a"].margin, found["norm"].margin) == (0.02, 0.05)


@pytest.mark.parametrize(
    ("difference", "word"),
    [(0.5, Verdict.WORSE), (-0.5, Verdict.BETTER), (0.0, Verdict.EQUIVALENT), (0.02, Verdict.INCONCLUSIVE)],
)
def test_the_same_difference_at_every_seed(difference, word):
    for rule in (Rule.fixed(4, 2), Rule.until(4, 64, 2)):
        found = decide_study({"a": [difference] * 4}, MARGIN, rule)["a"]
        assert found.verdict is word
        assert found.interval.low == found.interval.high == difference


def test_small_but_real_needs_the_whole_family():
    values = sample(0.006, 0.006, 8)  # p = .026 against zero
    alone = decide_study({"a": values}, MARGIN, Rule.fixed(8, 1))["a"]
    assert (alone.verdict, alone.is_real) == (Verdict.EQUIVALENT, True)
    assert remark(alone) == (
        "small but real: a difference below the margin is likely (the 95 % interval excludes zero, and the "
        "90 % interval lies within the margin)"
    )
    family = decide_study({"a": values, "b": sample(0, 0.006, 8)}, MARGIN, Rule.fixed(8, 2))["a"]
    assert (family.verdict, family.is_real, remark(family)) == (Verdict.EQUIVALENT, False, None)
    open_one = decide_study({"a": sample(0.02, 0.012, 8)}, MARGIN, Rule.fixed(8, 1))["a"]
    assert remark(open_one) == (
        "real; size not settled: the 95 % interval excludes zero, and does not settle on which side of the "
        "margin's border the difference lies"
    )
    worse = decide_study({"a": sample(0.2, 0.012, 8)}, MARGIN, Rule.fixed(8, 1))["a"]
    assert (worse.is_real, remark(worse)) == (True, None)


def test_equal_variants_are_rarely_called_real():
    """Ten variants equal to the baseline, with looks: zero is excluded for any of them in 5 % of studies."""
    generator = np.random.default_rng(8)
    rule = Rule.until(8, 8, 10)
    called = 0
    for _ in range(300):
        values = generator.standard_normal((10, 8)) + generator.standard_normal(8)
        found = decide_study({str(k): row for k, row in enumerate(values)}, 1e9, rule)
        called += any(decision.is_real for decision in found.values())
    assert called / 300 <= 0.05 + 0.038


def test_what_cannot_be_decided_is_refused():
    rule = Rule.fixed(4, 1)
    with pytest.raises(UserError, match="margin: -1"):
        decide_study({"a": [1.0, 2.0]}, -1, rule)
    with pytest.raises(UserError, match="margin: nan"):
        decide_study({"a": [1.0, 2.0]}, {"a": float("nan")}, rule)
    with pytest.raises(UserError, match="a: paired differences"):
        decide_study({"a": [1.0, float("inf")]}, 1, rule)
    with pytest.raises(UserError, match="comparisons: 2 have pairs and 1 are declared"):
        decide_study({"a": [1.0], "b": [1.0]}, 1, rule)
    with pytest.raises(UserError, match="comparisons: none is declared"):
        Rule.fixed(4, 0)
    assert decide_study({}, MARGIN, rule) == {}


def test_levels_read_as_people_write_them():
    texts = [level_text(Interval(0, 1, level)) for level in (0.95, 0.9879, 0.996217, 0.99891, 0.9999, 0.9)]
    assert texts == ["95 %", "98.8 %", "99.6 %", "99.9 %", "99.99 %", "90 %"]
