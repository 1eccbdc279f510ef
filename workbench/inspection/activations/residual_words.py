"""What is measured of norms and the residual stream, in words: quantities, each with its metrics."""

from dataclasses import dataclass

EMBEDDING = -1  # the layer of what enters the first block
FIRST = "_first"  # ends the names of metrics of first tokens
_FEW = 2  # panels that a page shows below each other


@dataclass(frozen=True)
class Quantity:
    """Metrics that are shown together (each with its title and axis), and how they are measured."""

    metrics: dict[str, tuple[str, str]]
    leading: str  # the metric that is described in words
    what: str  # and what it is called there
    note: str
    first: bool = True  # whether first tokens are measured apart

    def part_of(self, metric: str) -> str:
        """Where a page shows a metric: where there are many by itself, under what tells it from others."""
        if len(self.metrics) <= _FEW:
            return ""
        title, _ = self.metrics[metric]
        return title.rpartition(": ")[2].capitalize() if ": " in title else title


def _sides(ending: str, title: str, y: str) -> dict[str, tuple[str, str]]:
    names = {"attention": "attention norm", "feedforward": "feed-forward norm"}
    return {
        f"{part}_norm_{side}_{ending}": (f"{title}: {side} of the {name}", y)
        for side in ("input", "output")
        for part, name in names.items()
    }


def _sizes(names: dict[str, str], title: str, y: str) -> dict[str, tuple[str, str]]:
    return {metric: (f"{title}: {name}", y) for metric, name in names.items()}


QUANTITIES = {
    "size of the stream": Quantity(
        {"rms": ("Size of the residual stream after each layer", "root mean square")},
        leading="rms",
        what="the stream's root mean square",
        note="Root mean square over channels, mean over tokens.",
    ),
    "mean component": Quantity(
        _sides("mean_share", "Mean component", "share of the squared size"),
        leading="feedforward_norm_input_mean_share",
        what="the mean component before the feed-forward norm",
        note="The share of a vector's squared size that lies along the vector of ones: D mean(x)^2 / |x|^2, "
        "mean over tokens. LayerNorm removes it from its input, then its bias may put some back; RMSNorm "
        "keeps it.",
    ),
    "size at the norms": Quantity(
        _sides("rms", "Size", "root mean square"),
        leading="feedforward_norm_input_rms",
        what="the root mean square before the feed-forward norm",
        note="Root mean square over channels, mean over tokens.",
    ),
    "mean at the norms": Quantity(
        _sides("mean", "Mean", "mean over channels"),
        leading="feedforward_norm_input_mean",
        what="the mean before the feed-forward norm",
        note="Mean over channels and tokens; means of opposite sign cancel, so see the mean component as "
        "well.",
    ),
    "size of the updates": Quantity(
        _sizes(
            {"attention_update": "attention", "feedforward_update": "feed-forward"},
            "Update relative to the stream",
            "size over that of the stream",
        ),
        leading="feedforward_update",
        what="the feed-forward update relative to the stream",
        note="Root mean square of what a part adds (after its output norm, where it has one) over that of "
        "the "
        "stream that it is added to.",
    ),
    "outlier channels": Quantity(
        {
            "kurtosis": ("Kurtosis of the channels' sizes", "kurtosis (1: all equal)"),
            "channel_ratio": ("Largest channel over the median channel", "ratio"),
        },
        leading="kurtosis",
        what="the kurtosis of the channels' sizes",
        note="A channel's size is its root mean square over tokens.",
    ),
    "massive activations": Quantity(
        {"massive_ratio": ("Largest value over the median of a window", "largest |x| over median |x|")}
        | _sizes(
            {
                "largest_1": "largest",
                "largest_2": "second largest",
                "largest_3": "third largest",
                "median": "median",
            },
            "Values of the stream in a window",
            "|x|",
        ),
        leading="massive_ratio",
        what="the largest value over the median",
        note="Over tokens and channels of a window, mean over windows. Sun et al. 2024 call a value massive "
        "if "
        "it exceeds 100 and about 1,000 times the median of its layer; small models rarely reach either.",
    ),
    "norm weights": Quantity(
        {
            f"{part}_norm_gain_{key}": (f"{word} of the {name} norm's weights", f"{word.lower()} of |weight|")
            for part, name in (("attention", "attention"), ("feedforward", "feed-forward"))
            for key, word in (("mean", "Mean"), ("sd", "Spread"))
        },
        leading="feedforward_norm_gain_mean",
        what="the mean absolute weight of the feed-forward norm",
        note="Over the channels of each norm; a norm without weights has no line.",
        first=False,
    ),
}
