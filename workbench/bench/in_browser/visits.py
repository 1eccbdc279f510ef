"""Which pages are opened, of which study, and what a reader changes on each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

Act = Callable[["Page"], None]
_OPENED, _OPENS = 5, 200  # times that a list is opened, which closes when it moves; milliseconds until it is


@dataclass(frozen=True)
class Change:
    """What a reader changes on a page: in words, and how; each time it is another value than before."""

    words: str
    act: Act


@dataclass(frozen=True)
class Visit:
    """A page by its title in the navigation and its path, and what is changed on it."""

    title: str
    path: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Tour:
    """The pages of one study that are opened one after the other; ``what`` tells it from other tours."""

    what: str
    study: str
    visits: tuple[Visit, ...]

    def case(self, visit: Visit) -> str:
        """What the numbers of a page are kept under."""
        return f"{self.what}: {visit.title}"


def segment(key: str) -> Act:
    """Click the first segment of a control that is not chosen."""

    def act(page: "Page") -> None:
        page.locator(f".st-key-{key} [role=radio][aria-checked=false]").first.click()

    return act


def option(key: str) -> Act:
    """Open a list and click the first entry that is not chosen."""

    def act(page: "Page") -> None:
        field = page.locator(f".st-key-{key} [role=combobox]").first
        others = page.locator("[role=option][aria-selected=false]")
        for _ in range(_OPENED):
            field.evaluate("element => element.scrollIntoView({block: 'center'})")
            field.press("ArrowDown")
            page.wait_for_timeout(_OPENS)
            if others.count():
                break
        others.first.click()

    return act


def switch(key: str) -> Act:
    """Click a toggle."""
    return lambda page: page.locator(f".st-key-{key} label").first.click()


def tab(name: str = "") -> Act:
    """Click the first tab that is not open, of those whose name has ``name`` in it."""
    others = "[role=tab][aria-selected=false]"
    return lambda page: page.locator(others, has_text=name).first.click()


def text(key: str, first: str, second: str) -> Act:
    """Write one of two texts into a field, the one that is not there, and press Enter."""

    def act(page: "Page") -> None:
        field = page.locator(f".st-key-{key} input").first
        field.fill(second if field.input_value() == first else first)
        field.press("Enter")

    return act


BASELINE = Change("baseline", option("baseline"))
OVERVIEW = Visit("Overview", "", (BASELINE,))
NEW_STUDY = Visit("New study", "new_study", (Change("margin", text("ask_form-margin-0", "0.03", "0.04")),))
WATCH = Visit("Watch", "watch", (BASELINE,))
RUNS = Visit("Runs", "runs", (Change("one row per", segment("rows")),))
RUN = Visit("Run", "run", (Change("metric", option("run_metric")),))
CURVES = Visit(
    "Curves", "curves", (Change("values or difference", segment("show")), Change("metric", option("metric")))
)
EFFECTS = Visit(
    "Effects",
    "effects",
    (
        Change("effect to explain", option("explain")),
        BASELINE,
        Change("tab", tab("Pairs")),
    ),
)
COMPARE = Visit("Compare", "compare", (Change("tab", tab()),))
CLAIMS = Visit("Claims", "claims", (Change("form", segment("size")), Change("card", option("card"))))
DATA = Visit(
    "Data",
    "data",
    (
        Change("tab", tab("Text")),
        Change("text", option("text")),
        Change("unit", segment("unit")),
    ),
)
SEARCH = Visit(
    "Search",
    "search",
    (
        Change("tab", tab("Importances")),
        Change("points drawn", segment("drawn")),
        Change("objective", option("objective")),
    ),
)
ATTENTION = Visit(
    "Attention",
    "attention",
    (Change("head", option("prompt_attention-head")), Change("view", segment("attention_view"))),
)
POSITION = Visit(
    "Position",
    "position",
    (Change("measure", option("extrapolation-measure")), Change("view", segment("position_view"))),
)
ACTIVATIONS = Visit(
    "Activations",
    "activations",
    (Change("quantity", option("residual-quantity")), Change("view", segment("activations_view"))),
)

# A made-up study has neither weights nor documents: the pages that show these have nothing to draw there.
OF_MANY_RUNS = (OVERVIEW, WATCH, RUNS, RUN, CURVES, EFFECTS, COMPARE)
OF_PUBLISHED = (
    OVERVIEW,
    NEW_STUDY,
    WATCH,
    RUNS,
    RUN,
    CURVES,
    EFFECTS,
    COMPARE,
    CLAIMS,
    ATTENTION,
    POSITION,
    ACTIVATIONS,
)
