"""Studies in Python, for notebooks and scripts: a thin layer over what command line and pages use.

``import workbench as wb; study = wb.load("quickstart")``; docs/notebooks.md goes through all of it.
"""
