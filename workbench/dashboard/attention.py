"""Attention: one of the pages that look inside trained runs."""

from workbench.dashboard.inspect_page import inspection_page

if __name__ == "__main__":
    inspection_page("attention", "Attention")
