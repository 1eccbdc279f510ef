"""The dashboard's pages, one file each, and what the three that look inside a run share."""
