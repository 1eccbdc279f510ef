"""Activations: norms, the residual stream, feed-forward units, and where a prediction forms."""

from workbench.dashboard.pages.inspect_page import inspection_page

if __name__ == "__main__":
    inspection_page("activations", "Activations")
