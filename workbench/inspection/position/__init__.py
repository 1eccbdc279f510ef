"""How a decoder knows where a token stands: codes, distances, and how far beyond training they reach."""
