"""Benchmarks of the workbench itself, ``workbench bench``: ratios between things that are measured in turn.

``suite`` runs the sections of ``sections/``, which compare what is in ``rivals/`` with the clocks of
``timing/``. ``section`` and ``outcome`` say what a section is and what it found; ``report``, ``screen`` and
``files`` show and keep it. ``sizes``, ``studies``, ``pools`` and ``runners`` are what sections measure with.
"""
