"""The sections, in the order of the report. Each lies in a file of its own, named like the section."""

from importlib import import_module

from workbench.bench.section import Section
from workbench.errors import UserError, suggestion

NAMES = ("trials", "training", "workers", "levels", "decoding", "driver", "scheduling", "reading", "scaling")


def chosen(names: list[str]) -> list[str]:
    """``names`` in the order of the report, all for none; raises ``UserError`` for an unknown one."""
    for name in names:
        if name not in NAMES:
            raise UserError(f"bench: unknown section {name!r}; {suggestion(name, NAMES)}")
    return [name for name in NAMES if not names or name in names]


def load(name: str) -> Section:
    """The section of that name."""
    return import_module(f"workbench.bench.sections.{name}").SECTION
