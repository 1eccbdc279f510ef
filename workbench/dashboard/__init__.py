"""The dashboard: Streamlit shows what ``app.py`` at the root navigates, the pages of ``pages/``.

``state``, ``library`` and ``sidebar`` hold what all pages share: the open study and what was read of it.
``curve_lines`` and ``aggregate`` choose and average what ``curve_charts`` draws; ``effect_charts``,
``panel_charts`` (with ``facets``), ``maps`` and ``painted_text`` draw effects and views; ``tables`` and
``config_differences`` make tables. ``literal`` and ``policy`` keep a stranger's text from acting. ``launch``
starts ``server/``.
"""
