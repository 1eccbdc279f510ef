"""Where texts come from: one kind of corpus a file.

``source`` is what they have in common, ``workbench.data.corpora`` the list of them and the way from a study
file's ``data.corpus`` to its documents. ``local_files`` reads text, JSON lines and Parquet, ``huggingface`` a
dataset of the hub, ``standard_library`` Python's own source; ``tasks`` generates.
"""
