"""Text of a model while it trains: the same prompts continued at every evaluation, by the same draws.

A sample draws from a generator of its own, so that no stream of training moves, and the clock stands still
meanwhile. It reads the decoder as probes do.
"""

import traceback
from collections.abc import Sequence

import torch

from workbench.data.batches import TokenizedCorpus
from workbench.data.tokenizers import Tokenizer
from workbench.inspection.capture import reading
from workbench.model.decoder import Decoder
from workbench.model.generation import stream
from workbench.records.run import RunDirectory, error_line
from workbench.records.samples import SAMPLE_TEMPERATURE, SAMPLE_TOKENS, Sample, append_samples, begin_samples
from workbench.seeds import generator
from workbench.training.hardware import out_of_memory
from workbench.training.machine_faults import is_machine_fault
from workbench.training.run import Run, ScheduledMeasuring

_PROMPT = 16  # tokens of a prompt that is taken from the validation text, at most


def schedule_samples(run: Run, asked: int | Sequence[str]) -> ScheduledMeasuring:
    """At which steps ``run`` writes: before the first, and at its evaluations. ``asked``: the study's key."""
    if not asked:
        return ScheduledMeasuring()
    prompts = prompts_of(run, asked)
    steps = range(0, run.steps + 1, run.interval)
    seed = run.record.seed

    def write(decoder: Decoder, step: int) -> None:
        tokenizer = run.corpus.tokenizer
        found = [
            _sample(decoder, tokenizer, prompt, step, number, seed) for number, prompt in enumerate(prompts)
        ]
        _keep(run.directory, found, step)

    return ScheduledMeasuring(steps=frozenset(steps), measure=write)


def prompts_of(run: Run, asked: int | Sequence[str]) -> list[str]:
    """The prompts that a study gives, or as many beginnings from evenly spread places of its validation text.

    The same for every run of one text, tokenizer and context.
    """
    if not isinstance(asked, int):
        return list(asked)
    return _beginnings(run.corpus, min(_PROMPT, max(1, run.model.context // 2)), asked)


def _beginnings(corpus: TokenizedCorpus, length: int, count: int) -> list[str]:
    tokens = corpus.validation
    starts = [place * max(0, len(tokens) - length) // count for place in range(count)]
    return [corpus.tokenizer.decode(tokens[start : start + length]) for start in starts]


def _sample(decoder: Decoder, tokenizer: Tokenizer, prompt: str, step: int, number: int, seed: int) -> Sample:
    """The sample, or the reason why there is none: a prompt may have tokens that a model does not know."""
    try:
        text = continuation(decoder, tokenizer, prompt, seed, number)
    except Exception as error:
        # No sample is worth a trial: only what is the machine's fault ends it.
        if is_machine_fault(error) or out_of_memory(error):
            raise
        traceback.print_exc()  # to the run's log
        return Sample(step=step, number=number, prompt=prompt, error=error_line(str(error)))
    return Sample(step=step, number=number, prompt=prompt, text=text)


def continuation(decoder: Decoder, tokenizer: Tokenizer, prompt: str, seed: int, number: int) -> str:
    """What goes on from ``prompt``, drawn by a generator of the run's ``seed`` and the prompt's ``number``.

    It ends after ``SAMPLE_TOKENS`` tokens, or where the text does.
    """
    ids = tokenizer.encode(prompt)
    tokenizer.require_known(ids, decoder.config.vocabulary, "training.samples")
    read = ids.tolist()
    ends = tokenizer.special_tokens.ends_of_text
    with reading(decoder) as plain:
        start = torch.tensor([read], dtype=torch.int64, device=plain.device)  # (1, T)
        draws = generator(seed, "samples", number, device=plain.device)
        written = stream(
            plain,
            start,
            new_tokens=SAMPLE_TOKENS,
            temperature=SAMPLE_TEMPERATURE,
            generator=draws,
        )
        for token in written:
            if int(token) in ends:
                break
            read.append(int(token))
    return tokenizer.decode(read)[len(tokenizer.decode(ids)) :]


def _keep(run: RunDirectory, samples: list[Sample], step: int) -> None:
    run.require_claim()
    if step == 0:
        begin_samples(run.path)
    append_samples(run.path, samples)
