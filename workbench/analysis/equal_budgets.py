"""How seconds, or bytes in memory, were made equal: what a reader of a report has to know of it."""

from collections.abc import Iterator

from workbench.analysis.notes import Note, method, reading
from workbench.analysis.report_footer import machine_words
from workbench.numbers import byte_size, fixed
from workbench.records.manifest import MEMORY, SECONDS, Manifest, ManifestVariant


def equal_budget_notes(manifest: Manifest) -> Iterator[Note]:
    """By which step times seconds were made equal, and why they are in doubt; by which batches memory."""
    units = {variant.name: manifest.budget_unit(variant) for variant in manifest.variants}
    others = [variant for variant in manifest.variants if variant.name != manifest.baseline]
    measured = manifest.step_times
    if measured is not None:
        timed = [measured.pair(one.name) for one in others if units[one.name] == SECONDS]
        ratios = ", ".join(f"{pair.variant} {fixed(pair.ratio_per_token, 3)}" for pair in timed if pair)
        blocks = min(len(pair.blocks) for pair in measured.pairs)
        yield method(
            f"equal seconds: a training token takes, of the baseline's time, {ratios}: medians of {blocks} "
            f"blocks in turn on {machine_words(measured.hardware)} ({measured.cell.words}), measured before "
            "the first trial"
        )
        for doubt in measured.doubts:
            yield reading(f"equal seconds: {doubt}")
    held = [one for one in others if units[one.name] == MEMORY and one.budget and one.budget.memory]
    if held:
        own = ", ".join(_memory_text(manifest, one) for one in (manifest.baseline_variant, *held))
        yield method(
            f"equal memory: a training step holds {own}: parameters, gradients and the optimizer's moments, "
            "and what the forward pass saves, as if all were there together"
        )


def _memory_text(manifest: Manifest, variant: ManifestVariant) -> str:
    """``gpt2 22.1 MB with a batch of 16``."""
    held = variant.budget.memory if variant.budget else None
    batch_size = {**manifest.training, **variant.training}.get("batch_size")
    return f"{variant.name} {byte_size(held or 0)} with a batch of {batch_size}"
