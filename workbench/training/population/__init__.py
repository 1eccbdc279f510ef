"""Many trials of one variant in one program: ``vmap`` over a matrix that holds a decoder in each row.

``population`` is the LightningModule, ``trial`` takes its runs from their records to their outcomes with what
``recorder`` leaves of each; ``sizing`` says how many a device trains at once, ``vmappable`` whether a user's
parts can be, and ``halving`` which learning rates go on.
"""
