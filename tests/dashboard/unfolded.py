"""Pages with all that is folded away open, as a reader who clicks on every panel sees them."""

from workbench.dashboard.folded import PREFIX


def unfolded(app):
    """``app`` with every closed panel of its page open; fails where it has none."""
    ids = [one.proto.id for one in app.expander if f"-{PREFIX}" in one.proto.id]  # "$$ID-HASH-KEY"
    assert ids
    for one in ids:
        app.session_state[one[one.index(f"-{PREFIX}") + 1 :]] = True
    return app.run()
