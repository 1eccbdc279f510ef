"""The cards that are shipped, and what a card may not say."""

from pathlib import Path

import pytest

from tests.claims.claim_studies import card, prediction
from workbench.claims import reference
from workbench.claims.card import SIZES, card_files, find_card, load_card, load_cards, study_file
from workbench.claims.quantities.registry import QUANTITIES
from workbench.errors import UserError
from workbench.files import write_yaml
from workbench.study.schema import load_study_file

ROOT = Path(__file__).parents[2]
CARDS = load_cards()
OF_A_RUNG = {"size": "nano", "about": "small"}


def source(**changes):
    """A number of the literature."""
    return {"paper": "Somebody", "where": "table 1", "number": "0.05 nats", "certainty": "derived"} | changes


@pytest.mark.parametrize("size", SIZES)
def test_every_study_of_a_shipped_card_has_a_file_that_can_decide(size):
    assert len(CARDS) == len(card_files()) >= 6
    for one in CARDS:
        assert one.sources, one.id
        for name in one.studies(size, needed=True):
            file = study_file(name)
            assert file is not None, (one.id, name)
            study = load_study_file(file, complete=False)
            seeds = study.seeds
            least = seeds.at_least if seeds.until_decided else seeds.confirm
            assert study.name == name
            assert name == "data-scale" or least >= 8, name


def test_the_cards_share_no_seed_between_their_studies():
    files = sorted((ROOT / "ablations" / "claims" / "studies").glob("*.yaml"))
    offsets = [load_study_file(file, complete=False).seeds.offset for file in files]
    assert len(set(offsets)) == len(files) >= 9


def test_the_word_that_no_card_may_say():
    texts = [path.read_text() for path in (ROOT / "workbench" / "claims").rglob("*.py")]
    texts += [path.read_text() for path in card_files()]
    texts += [(ROOT / "docs" / "claim-file.md").read_text()]
    assert not [text for text in texts if "proves" in text.casefold()]


def test_the_page_of_keys_is_up_to_date_and_its_example_is_a_card(tmp_path):
    page = (ROOT / "docs" / "claim-file.md").read_text()
    assert page == reference.to_markdown(), "workbench explain --claim-file > docs/claim-file.md"
    assert all(f"`{name}`" in page for name in QUANTITIES)
    file = tmp_path / "gates.yaml"
    file.write_text(reference.EXAMPLE)
    assert load_card(file).id == "gates"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"quantity": "charm"}, "quantity: 'charm' is nothing that can be measured here; Known: loss"),
        ({"quantity": "los"}, "did you mean 'loss'?"),
        ({"direction": "below"}, "predictions.0.direction: "),
        ({"margin": -1}, "predictions.0.margin: "),
        ({"margin": "20,000"}, "predictions.0.margin: "),
        ({"direction": "equal", "margin": 0}, "margin: 0 leaves nothing that is equal; give one above 0"),
        ({"quantity": "delta_ce_2x", "evaluation": "code"}, "delta_ce_2x is of no evaluation text; remove"),
        ({"rung": "large"}, "'large' is no rung; Known: small"),
        ({"study": {"large": "parts"}}, "'large' is no rung; Known: small"),
        ({"study": {"small": "parts"}, "rung": "small"}, "names the rungs; remove the key"),
        ({"study": "../parts"}, "is no study's name; give that of its file without the ending"),
        ({"variant": 3}, "YAML reads it so: put it in quotes"),
        ({"marginn": 3}, "predictions.0.marginn: unknown key; did you mean 'margin'?"),
    ],
)
def test_a_prediction_that_cannot_be_is_refused_with_the_key_and_the_remedy(changes, wanted):
    with pytest.raises(UserError) as caught:
        card(prediction(**changes))
    assert wanted in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"id": "run"}, "id: 'run' is a command of 'workbench claims'; give the card another name"),
        ({"predictions": [prediction(), prediction()]}, "is the id of several; give each one of its own"),
        ({"rungs": {"small": OF_A_RUNG, "large": OF_A_RUNG}}, "rung: the card has several; name one"),
        (
            {"predictions": [prediction(role="secondary")]},
            "small: no primary prediction is asked at this primary rung; state one, or make",
        ),
        ({"scope": ""}, "scope: "),
        ({"sources": [source(value=0.05)]}, "a value is drawn beside one; name it"),
        ({"sources": [source(prediction="learned-is-higher")]}, "value: nothing can be drawn without"),
        (
            {"sources": [source(prediction="learned-is-highest", value=0.05)]},
            "is no prediction; did you mean 'learned-is-higher'?",
        ),
        (
            {"sources": [source(prediction="learned-is-higher", interval=[0.06, 0.02])]},
            "interval: write the lower number first",
        ),
    ],
)
def test_a_card_that_does_not_hang_together_is_refused(changes, wanted):
    with pytest.raises(UserError) as caught:
        card(**changes)
    assert wanted in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_card_is_found_by_its_id_or_its_file_and_a_misspelt_one_has_a_remedy(tmp_path):
    assert find_card("swiglu").title == "SwiGLU"
    file = tmp_path / "mine.yaml"
    write_yaml(file, card().model_dump(mode="json", exclude={"id"}))
    assert find_card(str(file)).id == "mine"
    with pytest.raises(UserError, match="swigluu: no claim card has this id; did you mean 'swiglu'"):
        find_card("swigluu")
