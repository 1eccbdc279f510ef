"""Text to batches: corpora, tokenizers, and the windows that trials train on and are compared on.

In the order in which a text comes through: ``corpora`` finds it in one of the ``sources``; ``documents`` has
``split`` divide it, leaves out what must not be trained on (``near_copies``, ``contamination``) and treats
the rest (``treatments``), of which ``report`` says what it did; ``tokenizers`` (with ``bpe_learning``,
``pretokenization``, ``plain_tokenizer``, ``token_text`` and ``byte_counts``) turn documents into ids, which
``tokenized`` keeps on disk in the ``cache``; ``windows`` are cut out of those, and ``batches`` says which of
them a trial sees at each step and in validation, in ``document_order`` where treatments are compared.
"""
