"""The generated tasks by name, and from a specification to the task that it is."""

from collections.abc import Iterable
from typing import Any, ClassVar

from workbench.data.sources.source import Example
from workbench.data.tasks.copying import Copying
from workbench.data.tasks.dyck import Dyck
from workbench.data.tasks.induction import Induction
from workbench.data.tasks.modular_addition import ModularAddition
from workbench.data.tasks.needle import Needle
from workbench.data.tasks.recall import Recall
from workbench.data.tasks.task import GeneratedTask
from workbench.errors import UserError, suggestion
from workbench.user_input import read_as

# Every task. A new one is a file in this folder, imported above, and its class in this list.
TASKS: tuple[type[GeneratedTask], ...] = (Recall, Copying, Induction, Needle, Dyck, ModularAddition)


def task_name(kind: type[GeneratedTask]) -> str:
    """What a study file calls a task."""
    (name,) = kind.model_fields[GeneratedTask.key].annotation.__args__  # type: ignore[union-attr]
    return str(name)


class Generated(GeneratedTask):
    """Sequences of token ids that are generated, some of whose tokens are answers with one right value each.

    Accuracy is the share of answers that the model gives the highest logit of its whole vocabulary, the
    sequence before them being given. Training and validation are drawn from streams of their own, and a
    sequence that stands in both is not trained on. data.tokenizer is left out: tokens are the ids themselves.
    context is a multiple of the sequence's tokens: a window holds one sequence, and a step as many as make
    up its tokens.
    """

    examples: ClassVar[tuple[Example, ...]] = tuple(
        Example(task_name(kind), f"generated: {(kind.__doc__ or '').split(chr(10))[0]}", kind.example)
        for kind in TASKS
    )


def is_generated(spec: Any) -> bool:
    """Whether the specification of a corpus is of a generated task."""
    return isinstance(spec, dict) and GeneratedTask.key in spec


def read_task(spec: dict[str, Any], key: str) -> GeneratedTask:
    """The task of ``spec``, which stands at ``key``; raises ``UserError`` naming the known ones."""
    kinds = {task_name(kind): kind for kind in TASKS}
    name = spec[GeneratedTask.key]
    if name not in kinds:
        raise UserError(
            f"{key}.{GeneratedTask.key}: unknown task {name!r}; {suggestion(str(name), list(kinds))}"
        )
    return read_as(kinds[name], spec, under=key)


def task_of(spec: Any) -> GeneratedTask | None:
    """The task of a corpus's specification, None where it is text."""
    return read_task(spec, "data.corpus") if is_generated(spec) else None


def called(spec: Any) -> str | None:
    """What the task of a corpus's specification is called, None where it is text."""
    return str(spec[GeneratedTask.key]) if is_generated(spec) else None


def largest_vocabulary(specs: Iterable[Any]) -> int | None:
    """The most ids that a task among the specifications has; None without a task, or where one cannot be."""
    try:
        return max((task.ids for task in map(task_of, specs) if task), default=None)
    except UserError:
        return None
