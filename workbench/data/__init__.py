"""Text to batches: corpora, tokenizers, and the windows that trials train on and are compared on."""
