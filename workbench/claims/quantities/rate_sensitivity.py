"""How much a wrong learning rate costs (Wortsman et al. 2023, arXiv 2309.14322), from a study's tuning runs.

S is the mean over the grid of learning rates of min(L(rate), L of a uniform guess) minus the lowest L. A run
that diverged has the loss of a uniform guess.
"""

from statistics import mean

from workbench.claims.quantities.rate_sweep import OfRateSweep, Swept


class LearningRateSensitivity(OfRateSweep):
    """The mean excess loss over a wide grid of learning rates."""

    name = "lr_sensitivity"
    title = "learning-rate sensitivity"
    unit = "nats"
    part = "Tuning"
    about = (
        "The mean loss above the lowest over learning rates from an eighth of the best one to 32 times it, a "
        "run that diverged counted as a uniform guess (Wortsman et al. 2023): variant minus the other side, "
        "paired by tuning seed. A study needs nine rates in steps of two for it."
    )

    def of_seed(self, swept: Swept) -> float:
        """S of one seed."""
        return mean(swept.held) - min(swept.held)
