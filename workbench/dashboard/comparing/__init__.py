"""Several studies side by side: which ones, the same change in each of them, and what a loss costs."""
