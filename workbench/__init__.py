"""The ablation workbench: does this one change to a language model help, at your budget, beyond noise?

In Python, ``import workbench as wb`` has ``wb.studies()`` and ``wb.load("quickstart")``: docs/notebooks.md.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from workbench.notebooks.study import Study, load, studies

__all__ = ["Study", "__version__", "load", "studies"]


def __getattr__(name: str) -> object:
    """What notebooks use, imported when it is first asked for: the package itself stays light."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("workbench.notebooks.study"), name)
    raise AttributeError(f"module 'workbench' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    """What is there, and what is imported when it is asked for."""
    return sorted([*globals(), *__all__])
