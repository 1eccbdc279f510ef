"""The pages, a file each; ``inspect_page`` is what attention, position and activations share.

Streamlit runs a page's file as a script; each draws itself under ``if __name__ == "__main__"``.
"""
