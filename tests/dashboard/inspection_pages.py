"""Moving through the pages Attention, Position and Activations in Streamlit's test harness."""

from workbench.inspection.listed_views import listed
from workbench.inspection.views import find_view


def to_page(app, page):
    """Open another page in the same session."""
    return app.switch_page(f"workbench/dashboard/pages/{page}.py").run()


def to_view(app, name):
    """Choose a view of the page that is open."""
    return app.segmented_control(key=f"{find_view(name).page}_view").set_value(name).run()


def views_of(page):
    """The views of a page, in its order."""
    return [find_view(view.name) for view in listed(page)]


def texts(app):
    """All that the page says, without the sidebar."""
    kinds = ("header", "markdown", "caption", "info", "warning")
    return "\n".join(str(item.value) for kind in kinds for item in app.main.get(kind))
