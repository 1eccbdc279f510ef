"""The reference of study files: every key, factor, level and option, read from what defines them.

``entries`` is what is said of each; ``keys`` reads the schema and the corpora, ``levels`` the factors and the
registries of their levels. ``lookup`` finds what a name means, ``markdown`` writes ``docs/study-file.md``.
``words`` says types and values as a study file has them.
"""
