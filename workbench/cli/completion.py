"""What a shell completes beside commands and options (``workbench --install-completion``).

It is asked at every press of a key, so that nothing is imported or read for it but names of folders.
"""

from pathlib import Path

import typer

# The names of ``inspection.views``, which take seconds to import.
VIEWS = (
    "prompt_attention",
    "head_scores",
    "formation",
    "extrapolation",
    "length_maps",
    "position_loss",
    "distance_profiles",
    "rope_bands",
    "positional_share",
    "position_shift",
    "recall",
    "answers",
    "residual",
    "feedforward",
    "logit_lens",
    "head_ablation",
)
_MANIFEST = "study.yaml"  # as in records.manifest


def study_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Studies with results that begin with what was typed: those in ``--out``, and ``published/NAME``."""
    results = Path(ctx.params.get("out") or "results")
    own = [path.parent.name for path in results.glob(f"*/{_MANIFEST}")]
    published = [f"published/{path.parent.name}" for path in results.glob(f"published/*/{_MANIFEST}")]
    return [name for name in sorted(own) + sorted(published) if name.startswith(incomplete)]


def view_names(incomplete: str) -> list[str]:
    """Views that begin with what was typed."""
    return [name for name in VIEWS if name.startswith(incomplete)]
