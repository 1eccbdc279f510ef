"""What is measured: a section per file, in the order of ``registry``.

``overhead`` is a part of the section ``training``, ``norms_alone`` of ``levels``.
"""
