"""What legends call the variants of a study: by the title of the level that each has, not by its key."""

from collections import Counter
from collections.abc import Mapping

from workbench.analysis.level_titles import level_facts
from workbench.records.manifest import Manifest
from workbench.records.run import RunRecord


def series_titles(runs: Mapping[str, tuple[Manifest, RunRecord]]) -> dict[str, str]:
    """A title for each name of a series, from the manifest and the record of a run of it.

    ``positions=alibi`` is ``ALiBi``. Where all that are shown differ in one factor, the baseline is what it
    has of that, ``RoPE (baseline)``. A name that its user gave, and what two series would share, stay.
    """
    changes = {name: _change(*run) for name, run in runs.items()}
    found = {
        name: _title(factor, new) if name == f"{factor}={new}" else name
        for name, (factor, _, new) in changes.items()
    }
    factors = {factor for factor, _, _ in changes.values() if factor}
    for name, (manifest, record) in runs.items():
        if name == record.variant == manifest.baseline and len(factors) == 1 and _all_change(changes, name):
            (factor,) = factors
            old = next(old for known, old, _ in changes.values() if known == factor)
            found[name] = f"{_title(factor, old)} ({name})"
    count = Counter(found.values())
    return {name: title if count[title] == 1 else name for name, title in found.items()}


def _change(manifest: Manifest, record: RunRecord) -> tuple[str, str, str]:
    """Factor, old level and new one of a variant that changes one thing; else three empty texts."""
    own = next((one for one in manifest.variants if one.name == record.variant), None)
    if own is None or len(own.change) != 1:
        return "", "", ""
    ((factor, levels),) = own.change.items()
    old, new = levels
    return factor, str(old), str(new)


def _all_change(changes: Mapping[str, tuple[str, str, str]], baseline: str) -> bool:
    """Whether every series but the baseline changes one factor, from one level."""
    others = [change[:2] for name, change in changes.items() if name != baseline]
    return bool(others) and all(factor for factor, _ in others) and len(set(others)) == 1


def _title(factor: str, level: str) -> str:
    """``RoPE(base=500000)`` of ``rope(base=500000)``; a level without a title is written as it is."""
    name, bracket, options = level.partition("(")
    for facts in level_facts():
        if (facts.factor, facts.name) == (factor, name) and facts.title:
            return f"{facts.title}{bracket}{options}"
    return level if bracket or level not in ("true", "false") else f"{factor}={level}"
