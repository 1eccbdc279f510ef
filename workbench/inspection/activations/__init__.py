"""What flows between attention and prediction: norms, the residual stream, feed-forward units, effects."""
