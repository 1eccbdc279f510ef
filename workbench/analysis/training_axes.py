"""What curves of training are drawn along, and what an axis is called where variants read other tokens."""

from workbench.records.manifest import Manifest

AXES = {
    "tokens": "training tokens",
    "flops": "training FLOPs",
    "bytes": "training text read (bytes)",
    "step": "step",
    "seconds": "training time (s)",
}
OWN_TOKENS = "of each variant's own tokenizer"


def axes_of(manifest: Manifest) -> list[str]:
    """The axes that the study has: bytes of text are known where variants differ in what they train on."""
    return [axis for axis in AXES if axis != "bytes" or bytes_per_token(manifest)]


def default_axis(manifest: Manifest) -> str:
    """The axis of what the study holds equal: at its end stands the comparison that the verdicts are of."""
    return manifest.budget if manifest.budget in axes_of(manifest) else "tokens"


def axis_title(manifest: Manifest, axis: str) -> str:
    """What ``axis`` shows, in words."""
    if axis == "tokens" and manifest.tokenizers_differ:
        return f"{AXES[axis]} {OWN_TOKENS}"
    return AXES[axis]


def bytes_per_token(manifest: Manifest) -> dict[str, float]:
    """UTF-8 bytes of text that a training token stands for, by variant; empty where that is not known."""
    budgets = {one.name: one.budget for one in manifest.variants if one.budget and one.budget.tokens}
    if len(budgets) < len(manifest.variants):
        return {}
    found = {name: budget.bytes / budget.tokens for name, budget in budgets.items()}
    rungs = manifest.gain.rungs if manifest.gain else ()
    return found | {rung.name: found[manifest.baseline] for rung in rungs}
