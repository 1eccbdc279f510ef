"""What is swapped: norms, feed-forward networks, position codes, initialisations; and what they share.

All modules here are imported with the first, so that a level is registered because its file is here.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
