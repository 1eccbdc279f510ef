"""What ``workbench dashboard`` has Streamlit serve: ``guarded``, the app behind its Content-Security-Policy.

Apart from the rest, as Streamlit puts the served file's folder on the import path.
"""
