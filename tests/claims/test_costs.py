"""``docs/claims.md`` has the trials and minutes that follow from the study files."""

import re
from pathlib import Path

import pytest

from workbench.claims.card import load_cards
from workbench.study.schema import StudyFile, load_study_file

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "ablations" / "claims" / "studies"
PAGE = (ROOT / "docs" / "claims.md").read_text()
SECONDS, TOKENS, LAYERS = 13, 400_000, 2  # of a trial of quickstart's size on a quiet core
CORES = 2
ROWS = re.findall(r"^\| `([\w.-]+)` \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)


def cost(study: StudyFile) -> list[tuple[int, int, float]]:
    """Trials, those at other budgets, and minutes on two cores: at the fewest pairs and at the most."""
    layers = study.size.layers
    if study.factors:
        depths = [layers] * (1 + sum(len(levels) - 1 for levels in study.factors.values()))
    else:
        depths = [layers, *((one.get("size") or {}).get("layers", layers) for one in study.variants)]
    tuned = len(study.learning_rates) * study.seeds.tune
    counts = {study.seeds.confirm}
    if study.seeds.until_decided:
        counts = {study.seeds.at_least, study.seeds.at_most}
    found = []
    for count in sorted(counts):
        seconds = sum((tuned + count) * trial(study.training.tokens, depth) for depth in depths)
        others = 0
        if study.gain:
            budgets = sorted(study.gain.tokens)
            seeds = dict.fromkeys(budgets, study.gain.seeds)
            seeds[budgets[0]] += tuned  # the rate is chosen anew at both ends
            seeds[budgets[-1]] += tuned
            seconds += sum(number * trial(budget, layers) for budget, number in seeds.items())
            others = sum(seeds.values())
        found.append((len(depths) * (tuned + count), others, seconds / 60 / CORES))
    return found


def trial(tokens: int, layers: int) -> float:
    """Seconds of one trial."""
    return SECONDS * tokens / TOKENS * layers / LAYERS


def between(values) -> str:
    return " to ".join(dict.fromkeys(f"{value:.0f}" for value in values))


@pytest.mark.parametrize(("name", "cards", "trials", "minutes"), ROWS)
def test_a_row_has_what_follows_from_its_study(name, cards, trials, minutes):
    found = cost(load_study_file(FOLDER / f"{name}.yaml", complete=False))
    own, others, spent = zip(*found, strict=True)
    assert trials == between(own) + (f", and {others[0]} at other budgets" if others[0] else "")
    assert minutes == between(spent)
    assert f"# About {minutes} minutes on two quiet cores" in (FOLDER / f"{name}.yaml").read_text()
    asking = {card.id for card in load_cards() if name in card.studies("nano")}
    assert set(cards.split(", ")) <= asking


def test_every_nano_study_has_its_row():
    nano = {name for card in load_cards() for name in card.studies("nano") if name.startswith("claims-")}
    assert nano - {"claims-norm-cost"} == {name for name, *_ in ROWS}  # which trains nothing


def test_the_sum_is_about_five_hours_at_most():
    found = [cost(load_study_file(FOLDER / f"{name}.yaml", complete=False)) for name, *_ in ROWS]
    least, most = (sum(one[at][2] for one in found) for at in (0, -1))
    assert f"| all | | | {least:.0f} to {most:.0f} |" in PAGE
    assert f"between {least / 60:.1f} and {most / 60:.1f} hours" in PAGE
    assert round(most / 60) <= 5
