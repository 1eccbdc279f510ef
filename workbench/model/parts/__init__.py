"""What is swapped: norms, feed-forward networks, position codes, initialisations; and what they share."""
