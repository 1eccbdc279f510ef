"""How often the workbench errs, measured on runs whose truth is known.

A *null twin* is the baseline with one tensor's initial values drawn under another name: all that differs is
the trajectory, so that the true difference is none, and what the pairs show is noise. Trained at many seeds
these differences are a pool. Centred, and with a truth added that is then known, thousands of studies are
drawn from it and decided by the shipped rule (``analysis.deciding``), which is thereby judged on the noise
that trained models really have.

Two uncertainties stand beside each share. *Monte Carlo*: of so many simulated studies. *Seeds*: the pool is a
sample itself, and another one would give other shares; that is estimated from pools that are resampled from
the pool (an outer bootstrap, without what Monte Carlo adds to it).

**Modules.** ``curves``: the pool, from records or from the small table that is published. ``error_rates``:
how often each word is false, by design and truth. ``seeds_needed``: predicted against observed.
``noise_by_tokens``: noise along the runs, and the budget that decides a margin cheapest. ``shapes``: noise
that no run has: skewed, with outliers, unequal. ``goals``: what all of it should be, met or missed.
``calibration``: everything together. ``tables``, ``report``, ``figure``: how it is shown.
"""
