"""What can be chosen in a model beside its components: options, as ``workbench list components`` shows them.

Of those that are a choice of named levels, the levels say it themselves.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from workbench.model.parts.attention_gate import ATTENTION_GATES
from workbench.model.parts.norm_placement import NORM_PLACEMENTS
from workbench.model.parts.option import Option

# What the factors are whose levels say the rest.
FACTORS_ABOUT = {
    "positions": "How the model knows where in its window a token stands.",
    "norm": "What normalises the residual stream for attention, feed-forward networks and head.",
    "feedforward": "The network that each block has beside its attention, applied to every token by itself.",
    "initialization": "What the parameters start from.",
    "norm_placement": "Where in a block its norms are.",
    "attention_gate": "Whether what attention returns is weighed by a gate that reads attention's input.",
}


@dataclass(frozen=True, kw_only=True)
class OptionLevel:
    """One choice of an option of ``ModelConfig``; ``name`` is what a study file writes."""

    option: str
    name: str
    about: str
    formula: str
    paper: str
    constraints: str = ""


def _registered(option: str, levels: Iterable[Option]) -> list[OptionLevel]:
    return [
        OptionLevel(
            option=option,
            name=level.name,
            about=level.about,
            formula=level.formula,
            paper=level.paper,
            constraints=level.constraints,
        )
        for level in levels
    ]


OPTION_LEVELS = (
    *_registered("norm_placement", NORM_PLACEMENTS),
    OptionLevel(
        option="qk_norm",
        name="any norm",
        about="normalises queries and keys, per head, before they are rotated; Qwen 3",
        formula="q := norm(q), k := norm(k)",
        paper="Henry et al. 2020, arXiv 2010.04245",
    ),
    OptionLevel(
        option="window",
        name="a number",
        about="how many keys a query sees, itself included (null: all); Mistral",
        formula="i attends to j where 0 <= i - j < window",
        paper="Child et al. 2019, arXiv 1904.10509",
        constraints="smaller than the context",
    ),
    OptionLevel(
        option="attention_pattern",
        name="global,local",
        about="which layers have the window, repeated over the layers (null: all); GPT-3, Gemma 2",
        formula="layer l is pattern[l mod length]",
        paper="Brown et al. 2020, arXiv 2005.14165",
        constraints="needs a window, and a local layer",
    ),
    # Without "none": the absence of a window or a soft cap is not listed either.
    *_registered("attention_gate", [gate for gate in ATTENTION_GATES if gate.name != "none"]),
    OptionLevel(
        option="attention_softcap",
        name="a number",
        about="bounds the scores (null: not at all); Gemma 2 takes 50",
        formula="s := c tanh(s / c)",
        paper="Gemma Team 2024, arXiv 2408.00118",
        constraints="has no fused kernel: slower",
    ),
    OptionLevel(
        option="attention_scale",
        name="a number",
        about="factor of the scores (null: 1 / sqrt(d_head)); 1 in T5 and GPT-Neo",
        formula="s = scale * q k",
        paper="Vaswani et al. 2017, arXiv 1706.03762",
    ),
    OptionLevel(
        option="key_value_heads",
        name="a number",
        about="key and value heads that several query heads share (1: multi-query); LLaMA 2 70B, LLaMA 3",
        formula="query head h reads key head floor(h groups / heads)",
        paper="Ainslie et al. 2023, arXiv 2305.13245",
        constraints="divides heads",
    ),
    OptionLevel(
        option="tied_embeddings",
        name="true",
        about="the head is the token table; GPT-2",
        formula="logits = x E^T",
        paper="Press and Wolf 2016, arXiv 1608.05859",
    ),
    OptionLevel(
        option="bias",
        name="true",
        about="linear maps add a vector; GPT-2. LLaMA and PaLM have none",
        formula="W x + b",
        paper="Chowdhery et al. 2022, arXiv 2204.02311",
    ),
    OptionLevel(
        option="qkv_bias",
        name="true, false",
        about="the bias of query, key and value alone (null: as bias); true in Qwen 2, false in GPT-Neo",
        formula="W x + b",
        paper="Yang et al. 2024, arXiv 2407.10671",
    ),
    OptionLevel(
        option="output_bias",
        name="true, false",
        about="the bias of attention's output projection alone (null: as bias); true in some LLaMAs",
        formula="W x + b",
        paper="Chowdhery et al. 2022, arXiv 2204.02311",
    ),
    OptionLevel(
        option="dropout",
        name="a number",
        about="share of the values set to zero in training, behind the embedding and each sublayer; GPT-2",
        formula="x := x m / (1 - p), m = 1 with probability 1 - p, else 0",
        paper="Hinton et al. 2012, arXiv 1207.0580",
        constraints="at least 0, below 1",
    ),
)
