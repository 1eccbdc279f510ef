"""A claim card: a sentence of the literature, and the predictions of studies by which it stands or falls.

``ablations/claims/NAME.yaml``. Every mistake is an error with the key and the remedy. A prediction whose
quantity cannot be measured is refused, so that no card is decided by what nobody looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from workbench.claims.quantities.quantity import Quantity, Sides
from workbench.claims.quantities.registry import QUANTITIES
from workbench.claims.source import Section, Source, Text
from workbench.errors import UserError, printable, suggestion
from workbench.files import read_yaml
from workbench.number_types import Number
from workbench.records.cells import CELLS
from workbench.study.schema import NAME, find_named_file
from workbench.user_input import read_as

Direction = Literal["lower", "higher", "equal", "not_worse"]
Role = Literal["primary", "secondary"]
Size = Literal["nano", "gpu"]
SIZES: tuple[Size, ...] = get_args(Size)
PRIMARY = "primary"
RUN = "run"  # 'workbench claims run ID': no card may be called so
_FOLDER = Path("ablations") / "claims"
_STUDIES = "studies"


def _sound_name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(f"{value!r} has other signs than letters, digits, '_', '-' and '.'; take these")
    return value


_Name = Annotated[str, Field(max_length=80), AfterValidator(_sound_name)]


class Rung(Section):
    """A size and a number of tokens at which the claim is asked."""

    size: Size = Field(
        description="Which form of the card it belongs to: nano runs on two cores of a CPU, gpu on one card."
    )
    about: Text = Field(
        description="Parameters and training tokens of the rung, in words.",
        examples=["0.13M parameters, 0.4M tokens"],
    )
    role: Role = Field(
        "primary",
        description="Whether the card's word rests on it. A secondary rung is shown and decides nothing, as "
        "a study that was published before the card was written.",
    )


class Prediction(Section):
    """What a study will find if the claim is true."""

    id: _Name = Field(
        description="What the prediction is called on the card. Letters, digits, '_', '-' and '.' only.",
        examples=["learned-is-higher"],
    )
    study: str | dict[str, str] = Field(
        description="The study that decides it, by its name: of a file in ablations/ or "
        "ablations/claims/studies/, or of results. Where it is asked at several rungs: the study of each.",
        examples=["quickstart", {"0.4M": "claims-parts-0.4M", "0.8M": "claims-parts-0.8M"}],
    )
    rung: str | None = Field(
        None,
        min_length=1,
        description="The rung that a single study stands at. Left out: the card's only rung.",
        examples=["0.4M"],
    )
    variant: Text = Field(
        description="The variant that it is about, as the study's report calls it.",
        examples=["positions=learned"],
    )
    against: str | None = Field(
        None,
        min_length=1,
        description="What the variant is compared with: another of the study's variants. Left out: its "
        "baseline; of delta_ce_2x and delta_ce_4x nothing, and the prediction is of the variant alone.",
        examples=["positions=sinusoidal"],
    )
    quantity: str = Field(
        description=f"What is measured: one of {', '.join(QUANTITIES)}. They are listed above.",
        examples=["loss"],
    )
    evaluation: str | None = Field(
        None,
        min_length=1,
        description="Of loss and bits_per_byte: the evaluation text, by its name in the study. Left out: the "
        "study's first.",
        examples=["prose"],
    )
    cell: str | None = Field(
        None,
        description="Of step_time_ratio alone: where a step is measured. cpu: in fp32; gpu: in bf16, eager; "
        "gpu-compiled: in bf16, compiled.",
        examples=list(CELLS),
    )
    direction: Direction = Field(
        description="What the quantity does, variant minus the other side. lower: it is below minus the "
        "margin; higher: above the margin; equal: between the two; not_worse: below the margin."
    )
    margin: Number = Field(
        ge=0,
        description="How large a difference must be to matter, in the quantity's unit; 0 asks for the sign.",
        examples=[0.01],
    )
    role: Role = Field(
        "primary",
        description="Whether the card's word rests on it. A secondary one is shown and decides nothing.",
    )

    @field_validator("quantity")
    @classmethod
    def _measurable(cls, value: str) -> str:
        if value not in QUANTITIES:
            raise ValueError(
                f"{value!r} is nothing that can be measured here; {suggestion(value, QUANTITIES)}"
            )
        return value

    @model_validator(mode="after")
    def _fits(self) -> "Prediction":
        measured = QUANTITIES[self.quantity]
        if self.evaluation is not None and not measured.of_a_text:
            raise ValueError(f"evaluation: {self.quantity} is of no evaluation text; remove the key")
        if self.cell is not None and not measured.of_a_cell:
            raise ValueError(f"cell: {self.quantity} is of no cell; remove the key")
        if measured.of_a_cell and self.cell not in CELLS:
            known = ", ".join(CELLS)
            raise ValueError(f"cell: {self.quantity} is measured in one of {known}; name it")
        if measured.of_a_cell and self.against is not None:
            raise ValueError(
                "against: a step takes turns with the baseline's alone; remove the key, or make that variant "
                "the baseline of a study"
            )
        if self.direction == "equal" and self.margin == 0:
            raise ValueError("margin: 0 leaves nothing that is equal; give one above 0")
        if isinstance(self.study, dict):
            if not self.study:
                raise ValueError("study: names no rung; give the study of each, or a name")
            if self.rung is not None:
                raise ValueError("rung: the mapping under study names the rungs; remove the key")
        for name in self.studies.values():
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"study: {name!r} is no study's name; give that of its file without the ending"
                )
        return self

    @property
    def studies(self) -> Mapping[str, str]:
        """The study of each rung; under an empty name that of a prediction that names none."""
        return self.study if isinstance(self.study, dict) else {self.rung or "": self.study}

    @property
    def measured(self) -> Quantity:
        """The quantity that it is about."""
        return QUANTITIES[self.quantity]

    @property
    def sides(self) -> Sides:
        """What is compared."""
        return Sides(self.variant, self.against, self.evaluation, self.cell)


@dataclass(frozen=True)
class Placed:
    """A prediction at one rung, with the study that decides it there."""

    prediction: Prediction
    rung: str
    study: str


class Card(Section):
    """A whole card, checked."""

    id: _Name = Field(
        description="What the card is called. Letters, digits, '_', '-' and '.' only. Left out: the file's "
        "name without its ending.",
        examples=["rope-quality"],
    )
    title: Text = Field(
        description="The claim in a few words, for tables.",
        examples=["Rotary positions: quality"],
    )
    statement: Text = Field(
        description="The claim in a sentence, as it is made.",
        examples=["Rotary positions give a lower loss than learned ones."],
    )
    sources: list[Source] = Field(
        [],
        description="What the literature found, each number with where it stands and how sure that is. "
        "Left out: none.",
    )
    rungs: dict[str, Rung] = Field(
        min_length=1,
        description="Sizes and numbers of tokens at which the claim is asked, by name.",
        examples=[{"0.4M": {"size": "nano", "about": "0.13M parameters, 0.4M tokens"}}],
    )
    predictions: list[Prediction] = Field(
        min_length=1,
        description="What studies will find if the claim is true. The card is supported where every primary "
        "one holds at every primary rung, and refuted where one fails.",
    )
    scope: Text = Field(
        description="What the card says nothing of: sizes, texts, budgets beyond those that were run."
    )

    @field_validator("id")
    @classmethod
    def _no_command(cls, value: str) -> str:
        if value == RUN:
            raise ValueError(f"{value!r} is a command of 'workbench claims'; give the card another name")
        return value

    @model_validator(mode="after")
    def _hangs_together(self) -> "Card":
        ids = [one.id for one in self.predictions]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"predictions: {name!r} is the id of several; give each one of its own")
        for one in self.predictions:
            for place in one.studies:
                if not place and len(self.rungs) > 1:
                    raise ValueError(f"predictions: {one.id}: rung: the card has several; name one")
                if place and place not in self.rungs:
                    raise ValueError(
                        f"predictions: {one.id}: {place!r} is no rung; {suggestion(place, self.rungs)}"
                    )
        for source in self.sources:
            if source.prediction is not None and source.prediction not in ids:
                raise ValueError(
                    f"sources: {source.prediction!r} is no prediction; {suggestion(source.prediction, ids)}"
                )
        for name, rung in self.rungs.items():
            asked = [one for one in self.placed() if one.rung == name and one.prediction.role == PRIMARY]
            if rung.role == PRIMARY and not asked:
                raise ValueError(
                    f"rungs: {name}: no primary prediction is asked at this primary rung; state one, or make "
                    "the rung secondary"
                )
        return self

    def placed(self, size: str | None = None) -> list[Placed]:
        """Every prediction at each of its rungs, in the card's order; with ``size`` those of one form."""
        only = next(iter(self.rungs))
        found = [
            Placed(one, rung or only, study)
            for one in self.predictions
            for rung, study in one.studies.items()
        ]
        return [one for one in found if size in (None, self.rungs[one.rung].size)]

    def is_primary(self, placed: Placed) -> bool:
        """Whether the card's word rests on it: a primary prediction at a primary rung."""
        return placed.prediction.role == PRIMARY and self.rungs[placed.rung].role == PRIMARY

    def studies(self, size: str, *, needed: bool = False) -> list[str]:
        """The studies of one form; ``needed``: only those at primary rungs, which the word rests on."""
        return list(dict.fromkeys(one.study for one in self._asked(size, needed)))

    def needs_trials(self, size: str, study: str) -> bool:
        """Whether what is asked of ``study`` at primary rungs takes its trials, or its step times alone."""
        return any(one.prediction.measured.of_trials for one in self._asked(size, True) if one.study == study)

    def cells(self, size: str, study: str) -> list[str]:
        """In which cells the step times of ``study`` are asked for at primary rungs."""
        cells = [one.prediction.cell for one in self._asked(size, True) if one.study == study]
        return list(dict.fromkeys(cell for cell in cells if cell is not None))

    def _asked(self, size: str, needed: bool) -> list[Placed]:
        return [one for one in self.placed(size) if not needed or self.rungs[one.rung].role == PRIMARY]


def claims_folder() -> Path:
    """Where the cards are: here, or else those that the package ships."""
    here = _FOLDER
    return here if here.is_dir() else Path(__file__).parents[1] / _FOLDER


def card_files() -> list[Path]:
    """The files of the cards at hand, by name."""
    return sorted(claims_folder().glob("*.yaml"))


def load_card(path: Path) -> Card:
    """Read and check one card; raises ``UserError`` with one line per mistake."""
    values = read_yaml(path)
    values.setdefault("id", printable(path.stem))
    return read_as(Card, values, file=str(path))


def load_cards() -> list[Card]:
    """All cards at hand; raises ``UserError`` for a mistake in one, and for two of one id."""
    cards: dict[str, Card] = {}
    for path in card_files():
        card = load_card(path)
        if card.id in cards:
            raise UserError(f"{path}: id: {card.id!r} is that of another card; give it one of its own")
        cards[card.id] = card
    return list(cards.values())


def find_card(name: str) -> Card:
    """The card of this id, or in this file."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return load_card(path)
    cards = {card.id: card for card in load_cards()}
    if name not in cards:
        remedy = suggestion(name, cards) if cards else f"there is none in {claims_folder()}; write one"
        raise UserError(f"{name}: no claim card has this id; {remedy}")
    return cards[name]


def study_file(name: str) -> Path | None:
    """The file of a study that a card names; None where only its results can be at hand."""
    own = claims_folder() / _STUDIES / f"{name}.yaml"
    return own if own.is_file() else find_named_file(name)


def card_values(card: Card) -> dict[str, Any]:
    """The card as plain values, for programs."""
    return card.model_dump(mode="json")
