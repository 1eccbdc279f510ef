"""Attention: what heads read, which kinds there are, and when they form."""

from workbench.dashboard.pages.inspect_page import inspection_page

if __name__ == "__main__":
    inspection_page("attention", "Attention")
