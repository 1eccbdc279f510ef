"""How the published models were trained: the settings that travel with a preset.

What a source does not say is None, and stays at the study's own default; nothing is guessed. The small sizes
of a family share its optimizer settings but have no learning rate, batch or warm-up of their own: 2000
warm-up steps are 0.8 % of LLaMA's 250,000, which of a small study are fewer than 3; it warms up over 10 %.
"""

from dataclasses import dataclass, replace
from typing import Any

MILLION, BILLION, TRILLION = 10**6, 10**9, 10**12


@dataclass(frozen=True, kw_only=True)
class PublishedTraining:
    """A published training recipe; None is what ``source`` does not say.

    ``learning_rate`` is the peak, ``final_rate`` the last as a fraction of it. The warm-up is linear and
    given as published: in steps or in tokens. ``notes`` say what comes from elsewhere.
    """

    source: str
    learning_rate: float | None = None
    batch_tokens: int | None = None
    tokens: int | None = None
    warmup_steps: int | None = None
    warmup_tokens: int | None = None
    betas: tuple[float, float] | None = None
    epsilon: float | None = None
    weight_decay: float | None = None
    clip: float | None = None
    final_rate: float | None = None
    notes: str = ""

    @property
    def warmup(self) -> float | None:
        """The warm-up as a fraction of the training, None where that is unpublished."""
        in_tokens = self.warmup_tokens
        if self.warmup_steps is not None and self.batch_tokens is not None:
            in_tokens = self.warmup_steps * self.batch_tokens
        return None if in_tokens is None or self.tokens is None else in_tokens / self.tokens

    @property
    def training(self) -> dict[str, Any]:
        """The keys of ``TrainingConfig`` that the recipe sets."""
        keys = ("betas", "epsilon", "weight_decay", "clip", "warmup", "final_rate")
        return {key: getattr(self, key) for key in keys if getattr(self, key) is not None}

    def small(self) -> "PublishedTraining":
        """The recipe for sizes that were never published: optimizer settings only."""
        sizes = ("learning_rate", "batch_tokens", "tokens", "warmup_steps", "warmup_tokens")
        unpublished: dict[str, Any] = dict.fromkeys(sizes)
        return replace(self, **unpublished)


_LLAMA = PublishedTraining(
    source="arXiv 2302.13971, Touvron et al. 2023, section 2.3 and table 2",
    batch_tokens=4 * MILLION,
    warmup_steps=2000,
    betas=(0.9, 0.95),
    weight_decay=0.1,
    clip=1.0,
    final_rate=0.1,
)
_LLAMA2 = replace(
    _LLAMA,
    source="arXiv 2307.09288, Touvron et al. 2023, section 2.2",
    tokens=2 * TRILLION,
    epsilon=1e-5,
)
_LLAMA3 = PublishedTraining(
    source="arXiv 2407.21783, Llama team 2024, table 3 and section 3.2.1",
    tokens=15 * TRILLION,
    weight_decay=0.1,
    final_rate=0.1,
    notes="weight decay and final rate are those of its scaling-law runs (the 405B ended at 1 %); betas, "
    "epsilon, clipping, and the warm-up and batch of 8B and 70B are unpublished",
)
_LLAMA31 = replace(
    _LLAMA3,
    source="arXiv 2407.21783, Llama team 2024, table 3 and sections 3.2.1, 3.4.2",
    notes=_LLAMA3.notes + "; of the 405B, 800 billion further tokens lengthen the context in six stages",
)
_GPT2 = PublishedTraining(
    source="Radford et al. 2019, section 2.3",
    batch_tokens=512 * 1024,
    tokens=300 * BILLION,
    warmup_steps=2000,
    betas=(0.9, 0.95),
    weight_decay=0.1,
    clip=1.0,
    final_rate=0.1,
    notes="only the batch of 512 x 1024 is published; the rest is nanoGPT's reproduction of the 124M model",
)
_GPT3 = PublishedTraining(
    source="arXiv 2005.14165, Brown et al. 2020, table 2.1 and appendix B",
    tokens=300 * BILLION,
    warmup_tokens=375 * MILLION,
    betas=(0.9, 0.95),
    epsilon=1e-8,
    weight_decay=0.1,
    clip=1.0,
    final_rate=0.1,
    notes="the rate reaches its end after 260 billion tokens; the batch grows from 32k over the first 4 to "
    "12 billion; the width of the attention bands is unpublished (here GPT-Neo's 256)",
)
_NEO = PublishedTraining(
    source="EleutherAI/gpt-neo, Black et al. 2021, configs and optimizers.py",
    batch_tokens=512 * 2048,
    warmup_steps=3000,
    betas=(0.9, 0.95),
    epsilon=1e-8,
    weight_decay=0.0,
    clip=1.0,
    final_rate=0.1,
)


def _sized(base: PublishedTraining, rows: dict[str, dict[str, Any]]) -> dict[str, PublishedTraining]:
    return {name: replace(base, **row) for name, row in rows.items()}


def _gpt3(rate: float, batch_tokens: int) -> dict[str, Any]:
    return {"learning_rate": rate, "batch_tokens": batch_tokens}


FULL: dict[str, PublishedTraining] = {
    **_sized(
        _LLAMA,
        {
            "llama-7b": {"learning_rate": 3e-4, "tokens": TRILLION},
            "llama-13b": {"learning_rate": 3e-4, "tokens": TRILLION},
            "llama-33b": {"learning_rate": 1.5e-4, "tokens": 14 * TRILLION // 10},
            "llama-65b": {"learning_rate": 1.5e-4, "tokens": 14 * TRILLION // 10},
        },
    ),
    **_sized(
        _LLAMA2,
        {
            "llama2-7b": {"learning_rate": 3e-4},
            "llama2-13b": {"learning_rate": 3e-4},
            "llama2-70b": {"learning_rate": 1.5e-4},
        },
    ),
    **_sized(_LLAMA3, {"llama3-8b": {"learning_rate": 3e-4}, "llama3-70b": {"learning_rate": 1.5e-4}}),
    **_sized(_LLAMA31, {"llama3.1-8b": {"learning_rate": 3e-4}, "llama3.1-70b": {"learning_rate": 1.5e-4}}),
    **_sized(_GPT2, {"gpt2": {"learning_rate": 6e-4}, "gpt2-medium": {}, "gpt2-large": {}, "gpt2-xl": {}}),
    **_sized(
        _GPT3,
        {
            "gpt3-small": _gpt3(6e-4, MILLION // 2),
            "gpt3-medium": _gpt3(3e-4, MILLION // 2),
            "gpt3-large": _gpt3(2.5e-4, MILLION // 2),
            "gpt3-xl": _gpt3(2e-4, MILLION),
            "gpt3-2.7b": _gpt3(1.6e-4, MILLION),
            "gpt3-6.7b": _gpt3(1.2e-4, 2 * MILLION),
            "gpt3-13b": _gpt3(1e-4, 2 * MILLION),
            "gpt3-175b": _gpt3(0.6e-4, 32 * MILLION // 10),
        },
    ),
    **_sized(
        _NEO,
        {
            "gpt-neo-125m": {
                "learning_rate": 6e-4,
                "batch_tokens": 256 * 2048,
                "tokens": 300 * BILLION,
                "weight_decay": 0.1,
            },
            "gpt-neo-1.3b": {"learning_rate": 2e-4, "tokens": 380 * BILLION},
            "gpt-neo-2.7b": {"learning_rate": 1.6e-4, "tokens": 420 * BILLION},
        },
    ),
}
# GPT-Neo's small sizes take the settings of its smallest model: the larger two had no weight decay.
SMALL: dict[str, PublishedTraining] = {
    "llama": _LLAMA.small(),
    "llama3": _LLAMA3.small(),
    "gpt2": _GPT2.small(),
    "gpt3": _GPT3.small(),
    "gpt-neo": FULL["gpt-neo-125m"].small(),
}
