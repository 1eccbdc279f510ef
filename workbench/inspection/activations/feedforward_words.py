"""What is measured of feed-forward units in words, and where a page shows it."""

# Of each metric the title, the axis and a note.
LINES = {
    "active": (
        "Units above 0 per token",
        "share of the units",
        "Only for activations that are exactly 0 below 0.",
    ),
    "silent": (
        "Units that never reach 1 % of the layer's largest value",
        "share of the units",
        "",
    ),
    "dead": (
        "Dead units: never above 0",
        "share of the units",
        "Only for activations that are exactly 0 below 0.",
    ),
    "effective_rank_share": (
        "Effective rank of the hidden vectors",
        "share of what it can be",
        "1: all directions are used alike. Of the number of units or of tokens, whichever is less.",
    ),
    "negative": (
        "Values below 0 before the activation",
        "share of the values",
        "",
    ),
}
VALUES = "Values"
# Which of them a page shows together.
PARTS = {
    "active": "Active units",
    "silent": "Silent units",
    "dead": "Silent units",
    "effective_rank_share": "Effective rank",
    "negative": VALUES,
}
