"""The source files of a user's part: their digest, and a kept copy that outlives the original.

A part's code belongs to what a run is. Its files are the module that defines the class and all modules of the
user's that it imports, found without running any of them. Not followed: what is installed, what is imported
under a computed name, and files that a part reads as data. In a kept copy, an import inside a function finds
what is on the import path when the function runs.
"""

import ast
import importlib
import importlib.machinery
import importlib.util
import json
import re
import site
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from weakref import WeakKeyDictionary

from workbench.errors import UserError

INDEX = "part.json"  # beside the files of a kept copy: which classes they define, and where they came from
_DIGEST = re.compile(r"[0-9a-f]{12}")
_NEVER = sys.stdlib_module_names | {"workbench", "torch"}
_SWAPPING = threading.Lock()  # the table of modules is the process's, and a dashboard has many threads


@dataclass(frozen=True)
class Source:
    """Files by their path below ``root``, the folder that they are imported from, and their digest."""

    files: dict[str, bytes] = field(repr=False)
    root: Path

    @cached_property
    def digest(self) -> str:
        """12 hexadecimal digits; line endings, which git may change, are no part of it."""
        whole = sha256()
        for path, content in sorted(self.files.items()):
            content = content.replace(b"\r\n", b"\n")
            whole.update(f"{path}\0{len(content)}\0".encode() + content)
        return whole.hexdigest()[:12]


def find_source(module: str) -> Source | None:
    """The files of ``module`` as they are on disk now; None where it has none (a notebook's cell)."""
    start = _spec(module)
    first = None if start is None else _file(start)
    if start is None or first is None:
        return None
    root = _root(module, start, first)
    files: dict[str, bytes] = {}
    waiting, seen = [module], set()
    while waiting:
        name = waiting.pop()
        spec = None if name in seen else _spec(name)
        seen.add(name)
        if spec is None or not _is_users(name, spec, module):
            continue
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        path = _file(spec)
        if path is not None:
            content = path.read_bytes()
            files[path.relative_to(_root(name, spec, path)).as_posix()] = content
            if path.suffix == ".py":
                waiting += _imported(content, name, spec.submodule_search_locations is not None)
    return Source(files, root) if files else None


def source_of(cls: type) -> Source | None:
    """The files that ``cls`` was made from: as they were when this was first asked about its module."""
    module = sys.modules.get(cls.__module__)
    if module is None:
        return None
    if module not in _SOURCES:
        _SOURCES[module] = find_source(cls.__module__)
    return _SOURCES[module]


_SOURCES: WeakKeyDictionary[ModuleType, Source | None] = WeakKeyDictionary()


def kept_class(folder: Path, name: str, digest: str) -> type | None:
    """The class ``name`` from the copy of its files below ``folder``, a study's own; None if none was kept.

    Raises ``UserError`` for a copy that was changed, and one that cannot be imported. The modules stay out
    of the way of others of their names: another study's copy, or the file as it is now.
    """
    kept = Path(folder) / digest
    if not _DIGEST.fullmatch(digest) or not (kept / INDEX).is_file():
        return None
    source = kept_source(kept)
    if source.digest != digest:
        raise UserError(f"{kept}: is not the code of {name} that its runs were made with; restore its files")
    path = _class_path(kept, name)
    if path.partition(":")[0] not in map(_module_name, source.files):
        raise UserError(f"{kept / INDEX}: {path} is not among the files beside it; restore them")
    target: object = _kept_module(kept, source, path)
    for part in path.partition(":")[2].split("."):
        target = getattr(target, part, None)
    if not isinstance(target, type):
        raise UserError(f"{kept}: has no class {path!r}; restore its files")
    return target


def index_of(folder: Path) -> dict:
    """What a kept copy says of itself: ``classes`` (level to import path) and ``from``; empty if damaged."""
    try:
        found = json.loads((folder / INDEX).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("classes"), dict) else {}


def _class_path(kept: Path, name: str) -> str:
    """An entry point's level has a name that says nothing of its module: the index does."""
    path = index_of(kept).get("classes", {}).get(name)
    if not isinstance(path, str) or ":" not in path:
        path = name
    return path


def kept_source(folder: Path) -> Source:
    """The files of a kept copy as they are now."""
    return Source(_files(folder), folder)


def _files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.name != INDEX}


_KEPT: dict[tuple[Path, str, str], ModuleType] = {}


def _kept_module(kept: Path, source: Source, path: str) -> ModuleType:
    """The module of the class ``path``, imported from the copy once in this process."""
    name = path.partition(":")[0]
    key = (kept.resolve(), source.digest, name)
    with _SWAPPING:
        if key not in _KEPT:
            try:
                _KEPT[key] = _import_apart(kept, source, name)
            except Exception as error:
                raise UserError(
                    f"importing {path!r} as it was kept in {kept} failed ({type(error).__name__}: {error}); "
                    f"install what it needs"
                ) from error
        return _KEPT[key]


def _import_apart(kept: Path, source: Source, name: str) -> ModuleType:
    tops = {_module_name(path).partition(".")[0] for path in source.files} - _NEVER
    with _alone(kept, tops) as found:
        importlib.import_module(name)
    for own_name, module in found.items():
        alias = f"{own_name}_{source.digest}"  # torch.compile looks a function's module up by its name
        module.__name__ = alias
        sys.modules[alias] = module
        _rename(vars(module), own_name, alias)
        _SOURCES[module] = source
    return found[name]


@contextmanager
def _alone(folder: Path, tops: set[str]) -> Iterator[dict[str, ModuleType]]:
    """Import from ``folder`` as if no module below the names ``tops`` were known; undone at the end.

    What was imported is in the dictionary by then.
    """
    before = _take_out(tops)
    written = sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # what is kept holds sources only
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    found: dict[str, ModuleType] = {}
    try:
        yield found
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = written
        found |= _take_out(tops)
        sys.modules.update(before)


def _take_out(tops: set[str]) -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] in tops]
    return {name: sys.modules.pop(name) for name in names}


def _rename(names: dict, module: str, alias: str) -> None:
    """Classes say where they are from under the alias too: annotations are resolved there."""
    for value in list(names.values()):
        if isinstance(value, type) and value.__module__ == module:
            value.__module__ = alias
            _rename(dict(vars(value)), module, alias)


def _module_name(path: str) -> str:
    parts = list(Path(path).parts)
    parts[-1] = parts[-1].partition(".")[0]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """Where an import of ``name`` would find it; runs nothing, not even the packages around it."""
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # a module made by hand has no spec
        return None
    for depth in range(len(rest)):
        places = spec.submodule_search_locations if spec is not None else None
        if places is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(".".join([top, *rest[: depth + 1]]), list(places))
    return spec


def _file(spec: importlib.machinery.ModuleSpec) -> Path | None:
    """The module's own file; None for one without, such as a folder of modules."""
    if not spec.has_location or spec.origin is None or not Path(spec.origin).is_file():
        return None
    return Path(spec.origin)


def _root(name: str, spec: importlib.machinery.ModuleSpec, path: Path) -> Path:
    """The folder on the import path below which the module, whose file is ``path``, lies."""
    depth = name.count(".") + (spec.submodule_search_locations is not None)
    return path.parents[depth]


def _is_users(name: str, spec: importlib.machinery.ModuleSpec, start: str) -> bool:
    top = name.partition(".")[0]
    if top in _NEVER:
        return False
    file = _file(spec)
    places = [file] if file is not None else [Path(place) for place in spec.submodule_search_locations or ()]
    if not places:  # built into the interpreter
        return False
    paths = [place.resolve() for place in places]
    installed = any(path.is_relative_to(folder) for path in paths for folder in _installed())
    return not installed or top == start.partition(".")[0]


@cache
def _installed() -> tuple[Path, ...]:
    """Folders of the interpreter and of what is installed into it."""
    places = {sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    places |= {*site.getsitepackages(), site.getusersitepackages()}
    return tuple(Path(place).resolve() for place in places if place)


def _imported(content: bytes, module: str, is_package: bool) -> list[str]:
    """Names that the code imports, wherever in it; a name taken from a module may be a module itself."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # importing it says so better
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")]
    return found


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, *([node.module] if node.module else [])])
