"""A fingerprint of code: it changes with what the code does, not with its comments, docstrings or layout."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
"""The scripts, and beside them the packages that they use."""


def code_hash(script: Path) -> str:
    """Hashes a script with all of the library that it can come to use: functions, classes, values, directly or not.

    How it works: from the script's own statements, names are followed to where the library defines them, and from
    there on. A function that nothing here uses does not count, though its module is imported. Where it cannot be told
    what is used (a module handed on as a value, `from x import *`), all of that module counts. What a module does
    besides defining names counts for everyone who imports it.

    Args:
        script: a Python file.

    Returns:
        16 hexadecimal digits.
    """
    digest = sha256()
    for file, name in sorted(reached(script), key=lambda part: (_relative(part[0]), part[1])):
        module = _module(file)
        texts, uses = module.statements, module.uses
        if name:
            texts, uses = module.defined[name].texts, module.defined[name].uses
        # Names of other packages stand for what they are imported from.
        foreign = {used: module.imported[used] for used, _ in uses if used in module.imported}
        imports = [f"{used} = {source}" for used, source in sorted(foreign.items()) if not _files(source[0])]
        for text in (*texts, *imports):
            digest.update(f"{_relative(file)} {name} {text}\n".encode())
    return digest.hexdigest()[:16]


def reached(script: Path) -> set[tuple[Path, str]]:
    """Lists what a script can come to use.

    Returns:
        (file, name) of definitions; (file, "") stands for what a file does besides defining names.
    """
    start = script.resolve()
    found: set[tuple[Path, str]] = set()
    waiting = [(start, "")]
    while waiting:
        part = waiting.pop()
        if part not in found:
            found.add(part)
            waiting += _used_by(*part)
    return found


@dataclass
class _Definition:
    """A name at a module's top level: the statements that define it, as text, and what they use."""

    texts: list[str]
    uses: set[tuple[str, str | None]]


@dataclass
class _Module:
    """What a file defines, imports and does; `uses` are pairs of a name and, where there is one, its attribute."""

    defined: dict[str, _Definition]
    imported: dict[str, tuple[str, str]]
    modules: set[str]
    starred: set[str]
    statements: list[str]
    uses: set[tuple[str, str | None]]


@cache
def _module(file: Path) -> _Module:
    tree = ast.parse(file.read_text())
    found = _Module({}, {}, set(), set(), [], set())
    for node in ast.walk(tree):
        _without_docstring(node)
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.modules.add(alias.name)
                name = alias.asname or alias.name.split(".")[0]
                found.imported[name] = (alias.name if alias.asname else name, "")
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.modules.add(node.module)
            for alias in node.names:
                found.imported[alias.asname or alias.name] = (node.module, alias.name)
                if alias.name == "*":
                    found.starred.add(node.module)
    for statement in tree.body:
        names = _names_defined(statement)
        uses = set(_uses(statement))
        for name in names:
            definition = found.defined.setdefault(name, _Definition([], set()))
            definition.texts.append(ast.dump(statement))
            definition.uses |= uses
        if not names and not isinstance(statement, ast.Import | ast.ImportFrom):
            found.statements.append(ast.dump(statement))
            found.uses |= uses
    return found


def _names_defined(statement: ast.stmt) -> list[str]:
    """The names that a statement does nothing but define; none where it may do more."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    names = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    plain = all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
    return names if plain else []


def _uses(statement: ast.stmt) -> Iterator[tuple[str, str | None]]:
    """Names that a statement reads, with the attribute that it reads of them, if it reads no more."""
    within = {id(node.value) for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
    for node in ast.walk(statement):
        if id(node) in within:
            continue
        if isinstance(node, ast.Name):
            yield node.id, None
        elif isinstance(node, ast.Attribute) and (dotted := _dotted(node)):
            yield dotted[0], ".".join(dotted[1:])


def _dotted(node: ast.expr) -> list[str]:
    """a.b.c as its parts; none where it does not begin with a name."""
    if isinstance(node, ast.Name):
        return [node.id]
    before = _dotted(node.value) if isinstance(node, ast.Attribute) else []
    return [*before, node.attr] if before and isinstance(node, ast.Attribute) else []


def _used_by(file: Path, name: str) -> Iterator[tuple[Path, str]]:
    """What a definition uses of the library; the file's other statements for all."""
    module = _module(file)
    yield file, ""
    if not name:
        for imported in sorted(module.modules):
            for path in _files(imported):
                yield path, ""
        for imported, inner in module.imported.values():
            for path in _files(f"{imported}.{inner}") if inner else []:
                yield path, ""
        for imported in module.starred:
            yield from _all_of(imported)
    for used, attribute in module.defined[name].uses if name else module.uses:
        if used in module.defined:
            yield file, used
        elif used in module.imported:
            yield from _meant(*module.imported[used], attribute)


def _meant(module: str, inner: str, attribute: str | None) -> Iterator[tuple[Path, str]]:
    """What an imported name stands for, with the attribute read of it."""
    path = ".".join(part for part in (module, inner, attribute) if part)
    parts = path.split(".")
    for depth in range(len(parts), 0, -1):
        place = _files(".".join(parts[:depth]))
        if not place:
            continue
        if depth == len(parts):  # a module as a value: anything in it may be used
            yield from _all_of(path)
        else:
            yield from _defined_in(place[-1], parts[depth])
        return


def _defined_in(file: Path, name: str) -> Iterator[tuple[Path, str]]:
    """A name in a module: defined there, or handed on from another one."""
    module = _module(file)
    if name in module.defined:
        yield file, name
    elif name in module.imported:
        yield from _meant(*module.imported[name], None)
    for starred in module.starred:
        yield from _all_of(starred)


def _all_of(module: str) -> Iterator[tuple[Path, str]]:
    for path in _files(module)[-1:]:
        for name in _module(path).defined:
            yield path, name


@cache
def _files_at(scripts: Path, name: str) -> tuple[Path, ...]:
    parts = name.split(".")
    if not (scripts / parts[0]).is_dir():
        return ()
    found = []
    for depth in range(1, len(parts) + 1):
        place = scripts.joinpath(*parts[:depth])
        here = [path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()]
        if not here and depth == len(parts):
            return ()
        found += here
    return tuple(found)


def _files(module: str) -> tuple[Path, ...]:
    """A module's file, after those of the packages around it; none where there is no such module in the library."""
    return _files_at(SCRIPTS, module)


def _without_docstring(node: ast.AST) -> None:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:]


def _relative(file: Path) -> str:
    return file.relative_to(SCRIPTS).as_posix()
