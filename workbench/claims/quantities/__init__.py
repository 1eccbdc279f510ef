"""What a prediction may be about: a class for each quantity, measured seed by seed from a study's records."""
