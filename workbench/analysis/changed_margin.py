"""A margin that was changed once results were there: both margins, and what every row says by either.

A margin is declared before the results are known. One that is chosen with them in view can turn a verdict
into the one that is wished for, so that the earlier one keeps its say.
"""

from collections.abc import Callable, Sequence

from workbench.analysis.notes import Note, method, reading
from workbench.analysis.variant_row import VariantRow
from workbench.numbers import plural
from workbench.records.manifest import Amendment, Manifest
from workbench.records.margin import margin_text

Rows = Sequence[VariantRow]


def changed_margins(manifest: Manifest, rows: Rows, judged: Callable[[Manifest], Rows]) -> list[Note]:
    """A note for each margin that the study had before; the verdicts by it too, where results were there.

    ``judged`` gives the rows under a manifest with another margin.
    """
    notes = []
    for item in manifest.amendments:
        if item.margin is None:
            continue
        change = f"amended {item.time or 'after its start'}: margin {_change(item)}"
        if not item.complete:
            notes.append(method(f"{change}, before any run was complete"))
            continue
        earlier = manifest.model_copy(update={"margin": item.margin[0], "amendments": []})
        verdicts = _both(judged(earlier), rows)
        told = f" (by {margin_text(item.margin[0])} → by {margin_text(manifest.margin)}: {verdicts})"
        late = (
            f"{change} when {plural(item.complete, 'run')} had a result, so that the verdicts by the new "
            f"margin are exploratory{told if verdicts else ''}"
        )
        notes.append(reading(late))
    return notes


def _change(item: Amendment) -> str:
    assert item.margin is not None  # who asks looks first
    before, after = item.margin
    return f"{margin_text(before)} → {margin_text(after)}"


def _both(earlier: Rows, present: Rows) -> str:
    """``norm=layernorm: equivalent → inconclusive``, of all rows with a verdict."""
    return "; ".join(
        f"{new.variant}: {old.verdict} → {new.verdict}"
        for old, new in zip(earlier, present, strict=True)
        if old.verdict and new.verdict  # a margin changes what a verdict is, not whether there is one
    )
