"""What a reader may ask of attention on a text: one text under one run or two."""

from workbench.inspection.attention.map_choices import SHOWS, TILE, heads_of, layers_of
from workbench.inspection.listed_views import PROMPT_ATTENTION
from workbench.inspection.panels import Result
from workbench.inspection.prompts import default_text, example_texts
from workbench.inspection.scope import Scope
from workbench.inspection.views import Option, View, register


@register
class PromptAttention(View):
    """Maps are of the explicit attention; its difference to the fused one is stated."""

    listed = PROMPT_ATTENTION
    question = "What does each head read, and what changes when a part is swapped?"
    live = True
    one_tokenizer = True
    options = (
        Option(name="text", label="Text", kind="text", default=default_text, examples=example_texts),
        Option(name="layer", label="Layer", choices=layers_of, default="0"),
        Option(name="head", label="Head", choices=heads_of, default="0"),
        Option(name="show", label="Show", choices=lambda _: list(SHOWS), default="attention"),
        Option(
            name="first",
            label="First token",
            kind="number",
            default="0",
            help=f"Maps show {TILE} tokens from here",
        ),
        Option(
            name="key",
            label="First key",
            kind="number",
            default="",
            help="Where the keys begin, if not there too",
        ),
    )

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of the runs' final weights; raises ``UserError`` for a text that a run cannot take."""
        from workbench.inspection.attention.prompt_attention import prompt_attention  # with torch

        return prompt_attention(scope, options, self.question)
