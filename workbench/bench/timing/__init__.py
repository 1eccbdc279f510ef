"""How seconds are taken so that they may be compared, whatever it is that takes them.

``seconds`` measures cases in turn, ``turns`` a trial and its rivals; ``spread`` makes medians and ratios of
rounds, ``goals`` judges them. ``machine`` says what was measured on and whether it was idle; ``modes`` are
arithmetic and compilation; ``warnings_off`` keeps libraries' advice out of the tables.
"""
