"""``docs/study-file.md``: the reference as one page of GitHub's Markdown."""

import re
from collections.abc import Iterable

from workbench.analysis.text_escapes import escape_markdown
from workbench.study.reference.entries import FACTORS, NEEDED, Entry, Kind, Section
from workbench.study.reference.lookup import reference

EXAMPLE = """\
question: Does squared ReLU do as well as SwiGLU, and do rotary positions want another base here?

baseline: llama                      # a preset: the parts of a model, and its sizes
size: {layers: 4, width: 96, heads: 4}
context: 128                         # tokens that the model sees at once

design: one_at_a_time                # each level below, alone, against the baseline
factors:
  feedforward: [swiglu, relu_squared]
  positions: [rope, {name: rope, base: 500_000}]
match: parameters                    # the feed-forward width is solved so that sizes agree

data:
  corpus: {path: my_texts/, glob: "**/*.md", max_bytes: 50_000_000}
  tokenizer: {bpe: 4096}

training:
  tokens: 2_000_000                  # of each trial
  batch_size: 16
  weight_decay: 0.05                 # the rest: as the preset was trained, or the default below

learning_rates: [0.002, 0.004, 0.008]
grid_growth: 1                       # once more, if the best rate of a variant is at an edge
seeds: {tune: 3, confirm: 8}
metric: validation/bits_per_byte
margin: 0.005                        # bits per byte that would not matter to you
"""

_BEGINNING = """\
# The study file

Every key that a study file may have: {contents}.

`workbench explain` says the same on the terminal: of one key (`workbench explain training.warmup`, or
`warmup`), of a level (`workbench explain rope`) or of an option of one (`workbench explain rope.base`). This
page is written by `workbench explain --markdown` from the definitions that check a study.

## A complete example

```yaml
{example}```

`workbench check my-study.yaml` says what this would do. `--set KEY=VALUE` replaces a key for once:
`workbench run my-study.yaml --set training.tokens=200_000`.

## How to read the tables

* **key** is what is written. On the command line and in messages it is named with the keys around it, in
  dots: `training.warmup` is `warmup` in the mapping `training`.
* **type** is what may be written behind it. Numbers are `20_000`, `2e4` or `20000`, never `20,000`. A list is
  `[one, two]` and a mapping `{{key: value, other: value}}`, or a line for each. A text is put in quotes where
  YAML would take a sign in it for its own.
* **left out** is what leaving the key out means: a value, or in words what it depends on. A key that is
  *needed* has to be there.
"""
# What reads better as code: mappings, names with an underscore, keys in dots, commands.
_CODE = (
    r"\{[^{}]+\}",
    r"[\w.:/-]*\w_\w[\w.:/-]*\w",
    r"\b[a-z]+\.[a-z]+\b",
    r"\bworkbench [a-z]+(?: presets| corpora)?\b",
)


def to_markdown() -> str:
    """The page, with a line break at its end."""
    sections = reference()
    links = [f"[{_title(one)}](#{_anchor(one)})" for one in sections if not one.key.count(".")]
    beginning = _BEGINNING.format(contents=", ".join(links), example=EXAMPLE)
    return "\n".join([beginning, *map(section_text, sections)])


def _title(section: Section) -> str:
    if section.kind is Kind.FACTOR:
        return "Factors and their levels"
    if not section.key:
        return "The study"
    beside = f" with {_code(section.beside)}" if section.beside else ""
    return f"{_code(section.key.removeprefix(f'{FACTORS}.'))}{beside}"


def _anchor(section: Section) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w-]", "", _title(section).lower().replace(" ", "-"))


def section_text(section: Section, title: str = "") -> str:
    """A section with its heading and its table; deeper places have smaller headings."""
    depth = section.key.count(".") + bool(section.beside)
    lines = [f"{'#' * (2 + depth)} {title or _title(section)}", "", _prose(section.about), ""]
    if section.examples:
        lines += [f"* {_code(example)}: {_prose(about)}" for example, about in section.examples]
        lines.append("")
    if section.kind is Kind.FACTOR:
        lines += _table(("factor", "levels", "meaning"), map(_factor_row, section.entries))
    elif section.kind is Kind.LEVEL:
        lines += _table(("level", "meaning", "formula", "paper"), map(_level_row, section.entries))
    else:
        lines += _table(("key", "type", "left out", "meaning"), map(_key_row, section.entries))
    return "\n".join([*lines, ""])


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *rows)]


def _key_row(entry: Entry) -> tuple[str, ...]:
    left_out = _code(entry.default)
    if entry.left_out:
        left_out = _prose(entry.left_out)
    elif not entry.default:
        left_out = f"*{NEEDED}*"
    meaning = _prose(entry.meaning, [f"{choice}(?=:)" for choice in map(re.escape, entry.choices)])
    meaning += _note(entry)
    if entry.written:
        meaning += f" Example: {' or '.join(map(_code, entry.written))}."
    return _code(entry.name), _prose(entry.type, map(re.escape, entry.choices)), left_out, meaning


def _factor_row(entry: Entry) -> tuple[str, ...]:
    meaning = f"{_prose(entry.meaning)}{_note(entry)}"
    if entry.formula:
        meaning += f" {_code(entry.formula)}; {_prose(entry.paper)}."
    return _code(entry.name), _prose(entry.type, map(re.escape, entry.choices)), meaning


def _level_row(entry: Entry) -> tuple[str, ...]:
    meaning = f"{_prose(entry.meaning)}{_note(entry)}"
    return _code(entry.name), meaning, _code(entry.formula), _prose(entry.paper)


def _note(entry: Entry) -> str:
    return f" Note: {_prose(entry.note)}." if entry.note else ""


def _prose(text: str, patterns: Iterable[str] = ()) -> str:
    """``text`` in a cell or a paragraph; words of these ``patterns``, and what looks like a name, as code."""
    named = [rf"(?<![\w/]){pattern}(?![\w/])" for pattern in patterns]
    pieces = re.split(f"({'|'.join([*named, *_CODE])})", text)  # every second one is a name
    return "".join(_code(piece) if place % 2 else _escaped(piece) for place, piece in enumerate(pieces))


def _escaped(text: str) -> str:
    """As ``escape_markdown``, which takes the blanks at both ends for nothing."""
    inner = text.strip()
    before, _, after = text.partition(inner) if inner else (text, "", "")
    return f"{before}{escape_markdown(inner)}{after}"


def _code(text: str) -> str:
    """``text`` as code; within a cell a bar would end it even there."""
    bar = r"\|"
    return f"`{text.replace('|', bar)}`" if text else ""
