"""Benchmarks of the workbench itself: ``workbench bench``. Ratios are between things measured in turn."""
