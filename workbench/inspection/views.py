"""The views by name. A view turns a scope (which runs) and a few options into a result."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, ClassVar, Literal

from workbench.errors import UserError, suggestion
from workbench.inspection.listed_views import LISTED, ListedView, Page
from workbench.inspection.panels import Result
from workbench.inspection.scope import Scope
from workbench.inspection.seeds_at_hand import AtHand, seeds_at_hand
from workbench.records.run import RunDirectory

_VIEWS: dict[str, "View"] = {}


@dataclass(frozen=True, kw_only=True)
class Option:
    """Something to choose about a view. ``choices`` are offered for the scope; None means free text.

    ``default`` is a value, or a function of the scope. Values are text; ``kind`` says how a page asks.
    ``words``: what a page shows of a choice whose name is short, as a command takes it.
    ``examples``: texts that a page offers to begin with, by what they show.
    """

    name: str
    label: str
    kind: Literal["choice", "text", "number", "toggle"] = "choice"
    choices: Callable[[Scope], list[str]] | None = None
    default: str | Callable[[Scope], str] = ""
    help: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    examples: Callable[[Scope], Mapping[str, str]] | None = None

    def shown(self, choice: str) -> str:
        """A choice as a page shows it."""
        return self.words.get(choice, choice)

    def value(self, scope: Scope, given: str | None) -> str:
        """``given`` if it is sound, the default if it is None; raises ``UserError`` naming the choices."""
        if given is None:
            return self.default(scope) if callable(self.default) else self.default
        known = self.choices(scope) if self.choices else None
        if known is not None and given not in known:
            raise UserError(f"{self.name}: unknown {given!r}; {suggestion(given, known)}")
        return given


class View(ABC):
    """One way to look inside a run.

    ``listed``: what is known of it before it is imported. ``live`` views run the decoder on a prompt or on
    text when they are asked. ``tables`` are those that a view reads, measured while the run trained or
    afterwards; ``more_tables`` those that it reads too where they are there. ``checkpoints``: it needs runs
    that were measured at several steps.
    ``one_tokenizer``: a live view that itself leaves out a second run which splits text into other tokens.
    ``many``: what it shows is a series per variant, so that it is of the scope's other variants too.
    ``alone``: it is of one run, and leaves out whatever that is compared with.
    """

    listed: ClassVar[ListedView]
    question: ClassVar[str]
    live: ClassVar[bool] = False
    tables: ClassVar[tuple[str, ...]] = ()
    more_tables: ClassVar[tuple[str, ...]] = ()
    checkpoints: ClassVar[bool] = False
    one_tokenizer: ClassVar[bool] = False
    many: ClassVar[bool] = False
    alone: ClassVar[bool] = False
    options: ClassVar[tuple[Option, ...]] = ()

    @property
    def name(self) -> str:
        """The name that a command takes."""
        return self.listed.name

    @property
    def title(self) -> str:
        """What its page calls it."""
        return self.listed.title

    @property
    def page(self) -> Page:
        """The page that shows it."""
        return self.listed.page

    def available(self, scope: Scope) -> str | None:
        """None if the view can be shown for ``scope``; otherwise the reason why not, as a sentence."""
        return None

    @abstractmethod
    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of ``scope``; ``options`` has a value for each of ``self.options``."""

    def at_hand(self, scope: Scope) -> AtHand:
        """What can be shown of ``scope``; raises ``UserError`` if that is nothing."""
        reason = self.available(scope)
        if reason:
            raise UserError(f"{self.name}: {reason}")
        scope, sentences = self._applicable(scope)
        if not self.tables:
            return AtHand(scope, sentences)
        found = seeds_at_hand(scope, self.tables, self.more_tables, checkpoints=self.checkpoints)
        return replace(found, sentences=(*found.sentences, *sentences))

    def measurable(self, scope: Scope) -> list[RunDirectory]:
        """Runs of which something that the view reads can be measured; none where that would not help."""
        tables = (*self.tables, *self.more_tables)
        scope, _ = self._applicable(scope)
        return scope.measurable(tables) if tables and not self.checkpoints else []

    def _applicable(self, scope: Scope) -> tuple[Scope, tuple[str, ...]]:
        """``scope`` without the other variants that the view cannot show, and a sentence on each of these."""
        if self.alone:
            return replace(scope, against=None, others=()), ()
        if not scope.others:
            return scope, ()
        if not self.many:
            return replace(scope, others=()), ()
        kept, sentences = [], []
        for role, other in zip(scope.other_roles, scope.others, strict=True):
            reason = self.available(replace(scope, run=other, against=None, others=()))
            if not reason and self.live and not other.weights.exists():
                reason = "no run of it that is here has weights"
            if reason:
                sentences.append(f"{scope.series[role]} is left out: {reason}.")
            else:
                kept.append(other)
        return (replace(scope, others=tuple(kept)) if sentences else scope), tuple(sentences)

    def show(self, scope: Scope, given: dict[str, Any] | None = None) -> Result:
        """``compute`` for the seeds at hand, with sound options; the answers end with what is left out.

        Raises ``UserError`` for other options, or if there is nothing to show.
        """
        given = given or {}
        for name in given:
            known = [option.name for option in self.options]
            if name not in known:
                raise UserError(f"{self.name}: unknown option {name!r}; {suggestion(name, known)}")
        found = self.at_hand(scope)
        values = {option.name: option.value(found.scope, given.get(option.name)) for option in self.options}
        result = self.compute(found.scope, **values)
        answers = [*result.answers, *found.sentences]
        if self.live and not self.one_tokenizer and found.scope.probes_apart == "tokenizer":
            answers.append(
                f"{_listed(list(found.scope.series.values()))} split text into different tokens: nats per "
                "token and distances in tokens do not compare between them, shares and shapes do."
            )
        panels = tuple(replace(panel, labels=found.scope.titles) for panel in result.panels)
        beside = tuple(found.scope.series[role] for role in found.scope.other_roles)
        return replace(result, panels=panels, answers=tuple(answers), beside=beside)


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 2 else names)


def register(cls: type[View]) -> type[View]:
    """Class decorator: offer the view under its name."""
    _VIEWS[cls.listed.name] = cls()
    return cls


def views() -> list[View]:
    """All views, in the order of the pages."""
    return [find_view(view.name) for view in LISTED]


def find_view(name: str) -> View:
    """The view called ``name``, of which alone the module is imported; else ``UserError`` with the names."""
    known = {view.name: view for view in LISTED}
    if name not in known:
        raise UserError(f"view: unknown {name!r}; {suggestion(name, list(known))}")
    wanted = known[name]
    import_module(f"workbench.inspection.{wanted.page}.{wanted.module}_view")
    return _VIEWS[name]
