"""Many trials of one variant in one program: ``vmap`` over a matrix with a decoder in each row."""
