"""The ablation workbench: does this one change to a language model help, at your budget, beyond noise?"""

__version__ = "0.1.0"
