"""Tokens per second of generation with and without cached keys and values, by heads and batch size."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.bench.formats import Form, shown
from workbench.bench.outcome import Column, Finding, Outcome, Table
from workbench.bench.section import Effort, Section, Setting
from workbench.bench.sizes import sizes
from workbench.bench.suite import clear
from workbench.bench.timing.seconds import Clock, Rounds, interleave
from workbench.bench.timing.spread import Spread
from workbench.model.config import ModelConfig
from workbench.model.cost import kv_cache_bytes_per_token
from workbench.model.decoder import Decoder
from workbench.model.generation import generate
from workbench.model.presets import preset
from workbench.training.seconds import seconds_of

CACHED, RECOMPUTED = "cached", "recomputed"
_BYTES_PER_VALUE = 4  # a run's decoder generates in fp32
_SIZE = {"cpu": {Effort.QUICK: "1M", Effort.FULL: "10M"}, "cuda": {Effort.QUICK: "10M", Effort.FULL: "124M"}}
_BATCHES = {"cpu": (1, 8), "cuda": (1, 8, 64)}
_NEW_TOKENS = {"cpu": {Effort.QUICK: 32, Effort.FULL: 112}, "cuda": {Effort.QUICK: 128, Effort.FULL: 512}}
_PROMPT = 16


@dataclass(frozen=True)
class Kind:
    """A model to generate with."""

    name: str
    model: ModelConfig


def measure(setting: Setting) -> Outcome:
    """The section."""
    clock = Clock(setting.seconds)
    outcome = Outcome()
    torch.set_num_threads(1)  # these models are too small for more
    new_tokens = _NEW_TOKENS[setting.device][setting.effort]
    wanted = [(kind, batch) for batch in _BATCHES[setting.device] for kind in kinds(setting)]
    rows = []
    for number, (kind, batch) in enumerate(wanted):
        name = f"{kind.name}, batch {batch}"
        setting.progress(name, number / len(wanted))
        rounds = _rounds(kind, batch, new_tokens, setting.device, clock.left / (len(wanted) - number))
        rows.append(_row(kind, batch, rounds))
        outcome.notes += [f"{name}, {case}: {error}" for case, error in rounds.errors.items()]
        clear(setting.device)
    outcome.tables.append(_table(rows, setting, new_tokens))
    outcome.findings += _findings(rows)
    return outcome


def kinds(setting: Setting) -> Iterator[Kind]:
    """LLaMA with as many key heads as heads, a quarter, one; and GPT-2's recipe at the same size."""
    [size] = sizes(setting.device, _SIZE[setting.device][setting.effort])
    for groups in dict.fromkeys((size.heads, max(2, size.heads // 4), 1)):
        heads = "1 key head" if groups == 1 else f"{groups} key heads"
        yield Kind(f"llama, {heads}", size.model.with_levels(key_value_heads=groups))
    own = {"vocabulary": size.vocabulary, "context": size.context}
    parts = {"layers": size.layers, "width": size.width, "heads": size.heads}
    yield Kind("gpt2", preset("gpt2-nano", **own, **parts))


@torch.no_grad()
def recompute(decoder: Decoder, tokens: Tensor, new_tokens: int) -> Tensor:
    """``(B, T) -> (B, T + new_tokens)``: the most probable tokens, each from the whole text anew."""
    for _ in range(new_tokens):
        tokens = torch.cat([tokens, decoder(tokens)[:, -1:].argmax(dim=-1)], dim=1)  # (B, T + 1)
    return tokens


def _rounds(kind: Kind, batch: int, new_tokens: int, device: str, seconds: float) -> Rounds:
    """Tokens per second, all of the batch together, the prompt's own pass included."""
    decoder = Decoder(kind.model)
    decoder.initialize(0)
    decoder.to(device).eval()
    prompt = torch.zeros(batch, _PROMPT, dtype=torch.int64, device=device)  # (B, T)

    def rate(work: Callable[[], Tensor]) -> Callable[[], float]:
        return lambda: batch * new_tokens / seconds_of(work, device)

    cases = {
        CACHED: rate(lambda: generate(decoder, prompt, new_tokens=new_tokens, temperature=0)),
        RECOMPUTED: rate(lambda: recompute(decoder, prompt, new_tokens)),
    }
    return interleave(cases, seconds=seconds)


def _row(kind: Kind, batch: int, rounds: Rounds) -> dict:
    return {
        "model": kind.name,
        "batch": batch,
        "cached": rounds.spread(CACHED),
        "recomputed": rounds.spread(RECOMPUTED),
        "ratio": rounds.ratio(CACHED, RECOMPUTED),
        "bytes": kv_cache_bytes_per_token(kind.model, _BYTES_PER_VALUE),
    }


def _table(rows: list[dict], setting: Setting, new_tokens: int) -> Table:
    columns = (
        Column("model", "model"),
        Column("batch", "batch", Form.COUNT),
        Column("cached", "with cache, tokens/s", Form.COUNT),
        Column("recomputed", "without, tokens/s", Form.COUNT),
        Column("ratio", "ratio", Form.RATIO),
        Column("bytes", "cache per token", Form.BYTES),
    )
    size = _SIZE[setting.device][setting.effort]
    return Table(f"Generating {new_tokens} tokens after {_PROMPT} at {size}, in fp32", columns, rows)


def _findings(rows: list[dict]) -> Iterator[Finding]:
    ratios: dict[str, Spread] = {f"{row['model']} at batch {row['batch']}": row["ratio"] for row in rows}
    ratios = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    if not ratios:
        return
    order = sorted(ratios, key=lambda name: ratios[name].median)
    least, most = (f"{shown(ratios[name], Form.RATIO)} for {name}" for name in (order[0], order[-1]))
    yield Finding(f"With the cache, generation is faster by {least} to {most}.")
    fewest = shown(min(row["bytes"] for row in rows), Form.BYTES)
    all_heads = shown(max(row["bytes"] for row in rows), Form.BYTES)
    yield Finding(f"Fewer key heads keep {fewest} instead of {all_heads} per token.")


SECTION = Section(
    name="decoding",
    title="Generating text",
    about=(
        "Tokens per second of the most probable continuation, the whole batch together, with the keys and "
        "values of earlier tokens kept and with everything computed anew for each token, in turn. The "
        "cache's bytes are those that each further token of one sequence takes."
    ),
    seconds={Effort.QUICK: 10.0, Effort.FULL: 120.0},
    measure=measure,
)
