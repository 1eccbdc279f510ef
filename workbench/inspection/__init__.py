"""What a trained decoder attends to, and what it does with position: measures, tables, figures.

``capture`` reads a decoder, ``subject`` a run's. Tables: ``probe`` (what they are measured on), ``tables``
(which there are; measures stand in ``attention``, ``position``, ``activations``), ``scheduled_measuring``
(while a run trains), ``measuring`` (afterwards), ``measured`` (what is known of a run). Views: ``scope`` (of
which runs), ``seeds_at_hand`` and ``seed_spread`` (over seeds), ``views`` (by name, each in a ``*_view``
beside its measure), ``panels`` (what they show), ``drawing`` (how), ``panel_figures`` (as files), ``command``
(without a browser). ``behaviour_columns``: numbers of runs for the table of effects.
"""
