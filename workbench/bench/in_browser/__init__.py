"""The dashboard as a reader meets it: a real server, a real browser, seconds from a click to the last change.

``browser`` finds a browser, ``served`` starts the server, ``stopwatch`` takes the time within a page, and
``visits`` says which pages are opened and what is changed on each. ``rounds`` measures all of them in turn,
``outcome`` makes tables and findings of it, and ``measure`` is what the section ``reading`` calls.
"""
