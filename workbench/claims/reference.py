"""``docs/claim-file.md``: what the keys of a claim card mean, from the definitions that check one."""

from workbench.analysis.text_escapes import escape_markdown
from workbench.claims.card import Card
from workbench.claims.quantities.registry import QUANTITIES
from workbench.study.reference.keys import sections_of
from workbench.study.reference.markdown import section_text

EXAMPLE = """\
title: Gates
statement: A gate in the feed-forward network gives a lower loss than none at equal parameters.
sources:
  - paper: Shazeer 2020, arXiv 2002.05202
    where: table 1, T5 base, 524,288 steps
    number: SwiGLU 1.636 against ReLU 1.677 nats
    certainty: secondary source
rungs:
  0.4M: {size: nano, about: "0.13M parameters, 0.4M tokens"}
  0.8M: {size: nano, about: "0.13M parameters, 0.8M tokens"}
predictions:
  - id: relu-is-higher
    study: {0.4M: claims-parts-0.4M, 0.8M: claims-parts-0.8M}
    variant: feedforward=relu           # minus the study's baseline, which has SwiGLU
    quantity: loss
    direction: higher
    margin: 0.01                        # nats
  - id: geglu-is-equal
    study: claims-parts-0.4M
    rung: 0.4M
    variant: feedforward=geglu
    quantity: loss
    direction: equal
    margin: 0.01
    role: secondary                     # is shown, and decides nothing
scope: Very small decoders on the source code of Python's standard library.
"""

_BEGINNING = """\
# The claim card

A file in `ablations/claims/` states a claim of the literature as predictions of studies. `workbench claims`
prints what the runs at hand say of every card, `workbench claims ID` one card with its evidence, and
`workbench claims run ID` runs the studies that it needs or goes on with them. This page is written by
`workbench explain --claim-file` from the definitions that check a card.

## A complete example

```yaml
{example}```

## The words

A prediction **holds** where the interval of its quantity lies strictly beyond the margin in the predicted
direction; for `equal`, where the interval of two one-sided tests lies within it. It **fails** where the
interval shows the opposite: beyond the other border, or, of a direction, equal within the margin. Else it is
**open**: so is one whose study has not run. Intervals are 95 % and 90 %, at the level of the look where a
study looks more than once, by the rule of the study's own report for one comparison.

A card is **supported** where every primary prediction holds at every primary rung, **refuted** where one
fails with Holm over the card's primary predictions, and **undecided** otherwise. Neither word rests on a
prediction with fewer than 8 pairs, lost pairs, seeds that are still to come, unequal tuning, or a learning
rate at the edge of what was tried. So a run that is taken away turns a card to undecided, never to the
opposite.

## Quantities

Each is the variant minus the other side. One that cannot be measured from records is not in this table, and a
card that names it is refused.

| quantity | unit | meaning |
| --- | --- | --- |
{quantities}
"""


def to_markdown() -> str:
    """The page, with a line break at its end."""
    rows = [
        f"| `{name}` | {escape_markdown(one.unit)} | {escape_markdown(one.about)} |"
        for name, one in QUANTITIES.items()
    ]
    sections = sections_of(Card, "A claim card is a mapping of these keys.")
    titles = ["The card", *[f"`{section.key}`" for section in sections[1:]]]
    texts = [section_text(one, title) for one, title in zip(sections, titles, strict=True)]
    return "\n".join([_BEGINNING.format(example=EXAMPLE, quantities="\n".join(rows)), *texts])
