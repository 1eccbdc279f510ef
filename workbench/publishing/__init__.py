"""A finished study as others may read it."""
