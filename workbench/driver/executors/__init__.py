"""Where trials run: an executor per file, and a line for it in ``registry``."""
