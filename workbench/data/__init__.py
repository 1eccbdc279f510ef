"""Text to batches: corpora, tokenizers, and the windows that trials train on and are compared on.

In the order in which a text comes through: ``corpora`` finds it in one of the ``sources`` and ``split``
divides its documents; ``tokenizers`` (with ``learning``, ``cuts``, ``plain_tokenizer``, ``pieces`` and
``byte_counts``) turn them into ids, which ``tokenized`` keeps on disk in the ``cache``; ``windows`` are cut
out of those, and ``batches`` says which of them a trial sees at each step and in validation.
"""
