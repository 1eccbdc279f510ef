"""Position: how a decoder knows where a token stands, and how far that reaches."""

from workbench.dashboard.pages.inspect_page import inspection_page

if __name__ == "__main__":
    inspection_page("position", "Position")
