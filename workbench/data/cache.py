"""Where tokenised corpora are kept."""

import os
from pathlib import Path


def cache_directory() -> Path:
    """``$WORKBENCH_CACHE``, else the user's cache directory; safe to delete at any time."""
    if chosen := os.environ.get("WORKBENCH_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ablation-workbench"
