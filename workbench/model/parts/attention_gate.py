"""What attention returns may be weighed by a gate that reads its input: Qiu et al. 2025, arXiv 2505.06708."""

from workbench.model.parts.option import Option, OptionRegistry
from workbench.model.sizes import Sizes

ATTENTION_GATES: "OptionRegistry[AttentionGate]" = OptionRegistry("attention_gate")


class AttentionGate(Option):
    """``sigmoid(W x)``, applied to the heads before the output projection; W has no bias."""

    def outputs(self, sizes: Sizes) -> int:
        """Gates per token, a multiple of the heads; 0 for no gate at all."""
        raise NotImplementedError(f"{type(self).__name__} must define outputs(sizes)")


@ATTENTION_GATES.register("none")
class NoGate(AttentionGate):
    """Heads go into the output projection as they are."""

    about = "no gate"
    formula = "o"
    paper = "Vaswani et al. 2017, arXiv 1706.03762"
    colour = "purple"

    def outputs(self, sizes: Sizes) -> int:
        """None."""
        return 0


@ATTENTION_GATES.register("headwise")
class HeadwiseGate(AttentionGate):
    """A number for each head."""

    about = "a gate per head on what attention returns"
    formula = "o_h := o_h sigmoid(w_h x)"
    paper = "Qiu et al. 2025, arXiv 2505.06708"
    colour = "green"

    def outputs(self, sizes: Sizes) -> int:
        """One per head."""
        return sizes.heads


@ATTENTION_GATES.register("elementwise")
class ElementwiseGate(AttentionGate):
    """A number for each dimension of each head."""

    about = "a gate per dimension on what attention returns"
    formula = "o := o * sigmoid(W x)"
    paper = "Qiu et al. 2025, arXiv 2505.06708"
    colour = "orange"

    def outputs(self, sizes: Sizes) -> int:
        """One per dimension."""
        return sizes.attention_width
