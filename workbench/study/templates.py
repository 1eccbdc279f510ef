"""Studies to begin with: small, complete, and for data that every installation has."""

from dataclasses import dataclass

# What a study needs before a word rests on it is in each: rates that are tuned, seeds, a margin.
_TUNED_AND_DECIDED = """\
learning_rates: [0.0015, 0.003, 0.006]
seeds: {tune: 3, confirm: until_decided, at_least: 4, at_most: 32}
margin: 0.04
"""
COMPARE = f"""\
question: Does LayerNorm do as well as RMSNorm in a very small model?
baseline: llama
size: {{layers: 2, width: 64, heads: 4}}
context: 128
design: one_at_a_time
factors:
  norm: [rmsnorm, layernorm]
data: {{corpus: python-stdlib, tokenizer: bytes}}
training: {{tokens: 400_000, batch_size: 8}}
{_TUNED_AND_DECIDED}"""
_SWEEP = """\
question: Which combination of parts, heads and learning rate looks best at this size?
baseline: llama
size: {layers: 2, width: 64, heads: 4}
context: 128
design: search
search:
  space:
    norm: [rmsnorm, layernorm]
    feedforward: [swiglu, gelu, relu]
    heads: [2, 4, 8]
    learning_rate: {low: 0.001, high: 0.01, log: true}
  objectives: [validation/loss]
  trials: 40
data: {corpus: python-stdlib, tokenizer: bytes}
training: {tokens: 300_000, batch_size: 8}
seeds: {tune: 1}
"""
_SIZE = """\
question: Does SwiGLU still gain on ReLU as models and budgets grow?
baseline: llama
size: {heads: 4}
rungs:
- {size: {layers: 2, width: 48}, tokens: 150_000}
- {size: {layers: 2, width: 64}, tokens: 320_000}
- {size: {layers: 3, width: 96}, tokens: 400_000}
context: 128
design: one_at_a_time
factors:
  feedforward: [swiglu, relu]
data: {corpus: python-stdlib, tokenizer: bytes}
training: {batch_size: 8}
learning_rates: [0.0015, 0.003, 0.006]
grid_growth: 1
seeds: {tune: 2, confirm: 8}
margin: 0.04
"""
_DATA = f"""\
question: Does leaving out what is said twice help a very small model, per token?
baseline: llama
size: {{layers: 2, width: 64, heads: 4}}
context: 128
design: one_at_a_time
factors:
  treatment: [as_is, near_dedup]
data:
  corpus: python-docstrings
  tokenizer: bytes
  evaluation: {{docstrings: python-docstrings, code: python-stdlib}}
training: {{tokens: 400_000, batch_size: 8}}
{_TUNED_AND_DECIDED}"""


@dataclass(frozen=True, kw_only=True)
class Template:
    """A study to begin with: the name that it is asked for by, what it is for, and its YAML."""

    name: str
    about: str
    text: str


TEMPLATES = {
    template.name: template
    for template in (
        Template(
            name="compare",
            about="Parts of a model, each alone against the baseline, until each has its verdict.",
            text=COMPARE,
        ),
        Template(
            name="sweep",
            about="A search over parts, sizes and learning rate together: exploratory, without a verdict. "
            "'workbench promote' then writes the study that confirms what looked best.",
            text=_SWEEP,
        ),
        Template(
            name="size",
            about="A ladder: the same comparison at several sizes and budgets, and whether the effect grows.",
            text=_SIZE,
        ),
        Template(
            name="data",
            about="What is done to training text, judged on text that no treatment touches.",
            text=_DATA,
        ),
    )
}
