"""How levels are written and drawn: what their classes in ``model`` and ``training`` say of themselves.

It is read from their source. An import would import torch, which takes longer than a whole report.
"""

import ast
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# Registries and their factors. Where two levels want one colour, that of the earlier factor has it.
_FACTORS = {
    "POSITIONS": "positions",
    "NORMS": "norm",
    "FEEDFORWARDS": "feedforward",
    "INITIALIZATIONS": "initialization",
    "NORM_PLACEMENTS": "norm_placement",
    "ATTENTION_GATES": "attention_gate",
    "OPTIMIZERS": "optimizer",
    "SCHEDULES": "schedule",
}
_FOLDERS = ("model/parts", "training/optimizers", "training")


@dataclass(frozen=True, kw_only=True)
class LevelFacts:
    """A level of ours; ``title`` and ``colour`` are empty where its class has none."""

    factor: str
    name: str
    title: str
    colour: str


@cache
def level_facts() -> tuple[LevelFacts, ...]:
    """All levels that are registered with the workbench, in the order of their factors."""
    found = []
    for folder in _FOLDERS:
        for file in sorted((files("workbench") / folder).iterdir(), key=lambda file: file.name):
            source = file.read_bytes() if file.name.endswith(".py") else b""
            if b".register(" in source:  # parsing the others takes three times as long
                tree = ast.parse(source)
                classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
                found += [facts for node in classes for facts in _facts(node)]
    order = list(_FACTORS.values())
    return tuple(sorted(found, key=lambda facts: order.index(facts.factor)))


def _facts(node: ast.ClassDef) -> list[LevelFacts]:
    """Those of ``@NORMS.register("rmsnorm")`` above a class; none of a class that is no level."""
    texts = {}
    for line in node.body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant):
            texts[ast.unparse(line.targets[0])] = str(line.value.value)
    found = []
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call):
            registry, _, method = ast.unparse(decorator.func).partition(".")
            if method == "register":
                name = ast.literal_eval(decorator.args[0])
                title = texts.get("title", "")
                colour = texts.get("colour", "")
                found.append(LevelFacts(factor=_FACTORS[registry], name=name, title=title, colour=colour))
    return found
