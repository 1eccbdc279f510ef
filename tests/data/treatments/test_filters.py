"""Rules that keep or drop a document: for each rule a document that it alone drops."""

import random
import string

import pytest

from tests.data.treatments.pools import prose
from workbench.data.treatments.registry import treatment_config
from workbench.data.treatments.tally import Tally

GOOD = prose(random.Random(1), 120)
WORDS = GOOD.split()


def unlike(seed, count, length=6):
    """Words that are all different."""
    draw = random.Random(seed)
    return ["".join(draw.choices(string.ascii_lowercase, k=length)) for _ in range(count)]


def lines(words, width, end="."):
    """Words in lines of so many of them."""
    return "\n".join(" ".join(words[start : start + width]) + end for start in range(0, len(words), width))


GOPHER = {
    "few_words": "the end of a short text, to be seen",
    "many_words": f"the of {'word ' * 100_000}",
    "short_words": f"the of {'a b ' * 40}",
    "long_words": f"the of {'antidisestablishment ' * 60}",
    "hash_signs": f"{GOOD} {'#tag ' * 40}",
    "ellipses": f"{'and so on... ' * 40} the of",
    "bullets": "\n".join(f"- the {word} have nevertheless that is" for word in WORDS[:20]),
    "lines_with_ellipsis": "\n".join(f"the {' '.join(WORDS[:15])} goes on of…" for _ in range(5)),
    "words_without_letters": f"the of {'word 12345 ' * 40}",
    "stop_words": " ".join(unlike(2, 80)),
}
REPETITION = {
    "repeated_lines": lines(unlike(3, 120), 20) + "\na\na\na\na\na",
    "characters_of_repeated_lines": lines(unlike(4, 80), 8) + 2 * ("\n" + "-" * 400),
    "commonest_run_of_2": " ".join(f"{word} nevertheless henceforth" for word in unlike(5, 40)),
    "commonest_run_of_3": " ".join(
        f"{' '.join(unlike(seed, 15))} network gradient momentum" for seed in range(10)
    ),
    "commonest_run_of_4": " ".join(f"{' '.join(unlike(seed, 7))} now we see that" for seed in range(12)),
    "repeated_runs_of_5": " ".join(2 * unlike(6, 50) + unlike(7, 180)),
}
C4 = {
    "lorem_ipsum": f"{GOOD}Lorem ipsum dolor sit amet.",
    "curly_bracket": f"{GOOD}A bracket {{ is here.",
    "few_sentences": "One of four is here. Two of four is. Three of it.\nFour of them end.\nMenu\n",
}
FINEWEB = {
    "lines_without_mark": lines(unlike(8, 120), 8, end=""),
    "repeated_lines": lines(unlike(9, 120), 8) + "\n" + lines(unlike(9, 40), 8),
    "short_lines": lines(unlike(10, 60), 2),
}
CODE = {
    "mean_line": lines(unlike(11, 400), 40),
    "longest_line": "x = 1\n" * 5 + lines(unlike(12, 600), 5) + "\n" + "a b c d " * 150 + "\nz = 2\n" * 40,
    "few_letters": lines([str(number * 7919 % 1000) for number in range(540)], 9),
    "generated": "# This table was GENERATED from mappings.txt\n" + lines(unlike(13, 100), 5),
    "repetitive": "import this module\n" * 500,
}


@pytest.mark.parametrize(
    ("name", "table"),
    [("gopher", GOPHER), ("gopher_repetition", REPETITION), ("c4", C4), ("fineweb", FINEWEB), ("code", CODE)],
)
def test_each_rule_drops_its_own_document_and_what_came_in_is_accounted_for(name, table):
    treatment = treatment_config(name)
    documents = [*table.values(), GOOD]
    outcomes = list(treatment.apply(documents))
    assert [outcome.rule for outcome in outcomes] == [*table, ""]
    assert [outcome.text for outcome in outcomes] == [*("" for _ in table), GOOD]
    tally = Tally(name)
    assert tally.keep(documents, iter(outcomes)) == [len(table)]
    counts = tally.to_dict()
    assert counts["documents"] == len(documents)
    assert counts["documents"] - counts["documents_left"] == sum(
        rule["dropped"] for rule in counts["rules"].values()
    )
    assert counts["bytes"] - counts["bytes_left"] == sum(rule["bytes"] for rule in counts["rules"].values())
    assert {rule: counts["rules"][rule]["dropped"] for rule in table} == dict.fromkeys(table, 1)


@pytest.mark.parametrize(("name", "rule"), [("gopher", rule) for rule in GOPHER])
def test_no_other_rule_of_gophers_drops_it(name, rule):
    """With that one threshold out of the way the document passes: it was dropped by exactly one rule."""
    loose = {
        "few_words": {"fewest_words": 1},
        "many_words": {"most_words": 10**7},
        "short_words": {"shortest_mean": 0},
        "long_words": {"longest_mean": 1000},
        "hash_signs": {"symbols": 1},
        "ellipses": {"symbols": 1},
        "bullets": {"bullets": 1},
        "lines_with_ellipsis": {"ellipses": 1},
        "words_without_letters": {"letters": 0},
        "stop_words": {"stop_words": 0},
    }
    treatment = treatment_config({"name": name, **loose[rule]})
    assert treatment.rule_against(GOPHER[rule]) == ""


def test_repeated_paragraphs_and_every_length_of_repeated_runs_have_a_rule():
    treatment = treatment_config("gopher_repetition")
    # Paragraphs of ten lines and, between them, the same short one: a tenth of the lines.
    others = [lines(unlike(seed, 60), 6) for seed in range(21, 27)]
    assert treatment.rule_against("\n\n* * *\n\n".join(others)) == "repeated_paragraphs"
    assert treatment.rule_against("\n\n".join(others)) == ""
    # Of longer runs a smaller share is too much: seven runs of 9 words again are 0.12 of this text.
    repeated = unlike(50, 63)
    text = " ".join([*repeated, *unlike(51, 320), *repeated])
    assert treatment.rule_against(text) == "repeated_runs_of_9"
    assert treatment_config({"name": "gopher_repetition", "runs": 2}).rule_against(text) == ""


def test_c4_keeps_the_lines_that_are_sentences():
    menu = "Home\nAbout us\nA line without an end\nOne two.\nIt trails off and on...\n"
    [outcome] = treatment_config("c4").apply([menu + GOOD])
    assert outcome.text == GOOD
    assert outcome.rule == "lines"
    [loose] = treatment_config({"name": "c4", "ends_of_sentences": False}).apply([menu + GOOD])
    assert loose.text == "A line without an end\nIt trails off and on...\n" + GOOD


def test_curated_is_its_steps_in_turn():
    treatment = treatment_config(
        {"name": "curated", "steps": ["exact_dedup", {"name": "gopher", "fewest_words": 5}, "c4"]}
    )
    menu = "Home\n" + prose(random.Random(7), 60)
    documents = [GOOD, "too short", f"{GOOD} ", menu, "the of and with { to be a bracket of words."]
    outcomes = list(treatment.apply(documents))
    assert [outcome.rule for outcome in outcomes] == [
        "",
        "gopher: few_words",
        "exact_dedup: copy",
        "c4: lines",
        "c4: curly_bracket",
    ]
    assert outcomes[3].text == menu.removeprefix("Home\n")
    assert treatment_config(treatment.spec()) == treatment
    assert treatment.label == "curated(steps=exact_dedup+gopher(fewest_words=5)+c4)"
    assert treatment_config({"name": "curated", "steps": ["gopher"]}).label == "curated(steps=gopher)"
    assert treatment_config("curated").label == "curated"
