"""Training one decoder alone; ``population`` trains many at once.

``run`` is a trial between its record and its outcome, ``trial`` takes it there: with ``module`` (the
LightningModule, its ``optimizer`` and ``schedule``), ``trainer`` (Lightning as all training uses it),
``callbacks`` and ``log`` (what a trial leaves behind) and ``checkpoint_file`` (what it goes on from).
``validation`` sums the loss, ``evaluation`` measures it of any trained decoder; ``faults`` tells what is the
machine's fault. ``trained_decoder``, ``starting_weights`` and ``run_text`` read what a run needs.
"""
