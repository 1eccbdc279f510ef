"""What a run's model wrote while it trained: continuations of a few prompts, appended at every evaluation.

Lines of JSON, one for each prompt and step. A run that is resumed writes those of a step again that it had
written when it was killed: the later line holds. A reader cuts at the last newline, as of metrics.
"""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.errors import RecordError
from workbench.records.fields import Count, damage

SAMPLES = "samples.jsonl"
SAMPLE_TOKENS = 48  # that go on from a prompt
SAMPLE_TEMPERATURE = 0.8
_REMEDY = "delete the file, on which no number rests"


class Sample(BaseModel):
    """``text`` goes on from ``prompt``, the ``number``-th from 0, after ``step``; ``error`` says why not."""

    model_config = ConfigDict(extra="ignore", strict=True)

    step: Count
    number: Count
    prompt: str
    text: str = ""
    error: str | None = None


def begin_samples(directory: Path) -> None:
    """A run begins: what an earlier attempt wrote goes."""
    (directory / SAMPLES).unlink(missing_ok=True)


def append_samples(directory: Path, samples: list[Sample]) -> None:
    """Add what was written after a step."""
    with open(directory / SAMPLES, "a", encoding="utf-8") as file:
        file.write("".join(json.dumps(one.model_dump(exclude_none=True)) + "\n" for one in samples))


def read_samples(directory: Path) -> list[Sample]:
    """All samples of a run in the order of steps and prompts; none where nothing was written.

    Raises ``RecordError`` for a line that is none of ours.
    """
    path = directory / SAMPLES
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}; {_REMEDY}") from error
    found = {}
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            sample = Sample.model_validate(json.loads(line))
        except (ValueError, RecursionError) as error:
            why = damage(error) if isinstance(error, ValidationError) else "is no line of JSON"
            raise RecordError(f"{path}: line {number:,} {why}; {_REMEDY}") from None
        found[sample.step, sample.number] = sample
    return [found[place] for place in sorted(found)]
