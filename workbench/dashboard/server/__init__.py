"""The server that workbench dashboard starts; apart, as its folder is put on the import path."""
