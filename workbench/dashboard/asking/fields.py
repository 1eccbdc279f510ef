"""The fields of the form: a key of the study each, with a widget and the values that it offers."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from workbench.dashboard.asking.offered import offered_presets
from workbench.data.corpora import list_corpora
from workbench.study.reference.entries import NEEDED, Entry
from workbench.study.reference.keys import key_sections
from workbench.study.schema import METRICS, UNTIL_DECIDED


class Kind(StrEnum):
    """How a field is filled in."""

    PROSE = "prose"  # text as it stands
    VALUE = "value"  # one line of YAML, as somebody would type it into the file
    ONE_OF = "one of"  # a choice
    CHOICE = "choice"  # a choice, or one line of YAML


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field for the dotted ``key``; ``options`` are lines of YAML. ``design`` are those that have it."""

    key: str
    label: str
    kind: Kind = Kind.VALUE
    options: Callable[[], list[str]] = list
    design: tuple[str, ...] = ()
    width: int = 1  # of four in a row


DESIGNS = ["one_at_a_time", "full_factorial", "leave_one_out", "dismantle", "explicit", "search"]
_TOKENIZERS = ["bytes", "{bpe: 512}", "{bpe: 4096}"]


def _corpora() -> list[str]:
    """Those that need no path of the user's: what has a name, and what is generated."""
    examples = dict.fromkeys(row["example"] for row in list_corpora())
    return [one for one in examples if "path" not in one and not one.startswith("{mixture")]


QUESTION = Field(key="question", label="Question", kind=Kind.PROSE, width=4)
DESIGN = Field(key="design", label="Design", kind=Kind.ONE_OF, options=lambda: DESIGNS, width=2)
CONFIRM = Field(
    key="seeds.confirm",
    label="Confirm with",
    kind=Kind.CHOICE,
    options=lambda: [UNTIL_DECIDED, "4", "8", "16", "32"],
    width=2,
)
# In rows, as they stand on the page.
WHAT = (
    Field(
        key="baseline",
        label="Baseline",
        kind=Kind.CHOICE,
        options=offered_presets,
        width=2,
        design=("one_at_a_time", "full_factorial", "leave_one_out", "explicit", "search"),
    ),
    Field(
        key="reference",
        label="Reference",
        kind=Kind.CHOICE,
        options=offered_presets,
        width=2,
        design=("leave_one_out",),
    ),
    Field(
        key="from", label="From", kind=Kind.CHOICE, options=offered_presets, width=2, design=("dismantle",)
    ),
    Field(key="to", label="To", kind=Kind.CHOICE, options=offered_presets, width=2, design=("dismantle",)),
)
SIZE = (
    Field(key="size.layers", label="Layers"),
    Field(key="size.width", label="Width"),
    Field(key="size.heads", label="Heads"),
    Field(key="context", label="Context"),
)
DATA = (
    Field(key="data.corpus", label="Corpus", kind=Kind.CHOICE, options=_corpora, width=2),
    Field(key="data.tokenizer", label="Tokenizer", kind=Kind.CHOICE, options=lambda: _TOKENIZERS, width=2),
    Field(
        key="match",
        label="Held equal in size",
        kind=Kind.ONE_OF,
        width=2,
        options=lambda: ["parameters", "flops", "none"],
    ),
)
BUDGET = (
    Field(key="training.tokens", label="Tokens per trial"),
    Field(key="training.batch_size", label="Batch size"),
    Field(key="learning_rates", label="Learning rates", width=2),
)
DECIDING = (
    Field(key="seeds.tune", label="Tuning seeds"),
    CONFIRM,
    Field(key="seeds.at_least", label="At least"),
    Field(key="seeds.at_most", label="At most"),
    Field(key="margin", label="Margin"),
    Field(key="metric", label="Metric", kind=Kind.CHOICE, options=lambda: list(METRICS), width=2),
)
FIELDS = (QUESTION, DESIGN, *WHAT, *SIZE, *DATA, *BUDGET, *DECIDING)
# What only studies of other kinds (a search, one that starts from a run) may leave out.
_NEEDED_HERE = ("context", "learning_rates", "margin", "reference", "from", "to")


@cache
def described(key: str) -> Entry:
    """What the reference says of a field's key."""
    entries = {
        entry.key: entry for section in key_sections() for entry in section.entries if not entry.beside
    }
    return entries[key]


def placeholder(entry: Entry) -> str:
    """What an empty field stands for: the key's default, or that it is needed."""
    if entry.key in _NEEDED_HERE or entry.when_left_out == NEEDED:
        return NEEDED
    return entry.default or entry.when_left_out
