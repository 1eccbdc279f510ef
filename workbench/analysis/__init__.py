"""From a study's records to what may be said of them: pairs, intervals, verdicts, reports and figures.

What is known of the runs: ``tuned_rates`` (each variant's learning rate), ``outcomes`` (what became of every
seed, which of them form pairs), ``pilot``, ``curve_seeds``. What follows: ``statistics`` (intervals and the
verdict of one comparison), ``verdicts`` (with lost pairs), ``divergence`` (who trained at all), ``power``,
``factorial``, ``dismantling`` (what lies between two recipes), ``compute_gain`` (what a variant is worth in
compute), ``flops``, ``other_sets`` (texts that no verdict rests on), ``recovery``; and what to read
beside a verdict: ``trimmed_means``, ``budget_trend``, ``text_uncertainty``. ``deciding`` is the rule for
whole families of comparisons, over looks at growing numbers of pairs; ``decisions`` has its words on a study.
``effects`` makes the ``Report`` of all of it, a ``variant_row`` for each variant by ``row_building``, with a
``footer``. How it reads: ``answers`` and ``fates`` in sentences, ``report_tables`` in cells, ``report`` in
each format with its ``escapes``, ``study_figures`` (a file each, by ``paper_figures``) with ``colours``,
``contrast`` and ``ticks``.
"""
