"""Hash a script with the code that it uses, ignoring comments, docstrings and formatting."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
"""The folder of the scripts and of the packages that they use."""


def code_hash(script: Path) -> str:
    """Hash a script with every function, class and value of the library that it can use, directly or indirectly.

    How it works: starting from the script's own statements, names are followed to their definitions in the library, and
    from there recursively. Unused functions of an imported module do not count. Where usage cannot be determined (a
    module passed as a value, `from x import *`), the whole module counts. Statements of a module that do more than
    define a name count for every script that imports it, except strings that describe a constant.

    Args:
        script: A Python file.

    Returns:
        16 hexadecimal digits.
    """
    digest = sha256()
    for file, name in sorted(reachable(script), key=lambda part: (_relative(part[0]), part[1])):
        module = _module(file)
        texts, uses = module.statements, module.uses
        if name:
            texts, uses = module.defined[name].texts, module.defined[name].uses
        # Names from third-party packages are represented by where they are imported from.
        external = {used: module.imported[used] for used, _ in uses if used in module.imported}
        imports = [f"{used} = {source}" for used, source in sorted(external.items()) if not _files(source[0])]
        for text in (*texts, *imports):
            digest.update(f"{_relative(file)} {name} {text}\n".encode())
    return digest.hexdigest()[:16]


def reachable(script: Path) -> set[tuple[Path, str]]:
    """List the definitions that a script can use.

    Returns:
        (file, name) of each definition; (file, "") stands for a file's statements that define no name.
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
    """A top-level name of a module: the statements that define it, as text, and the names they use."""

    texts: list[str]
    uses: set[tuple[str, str | None]]


@dataclass
class _Module:
    """The definitions, imports and other statements of a file; `uses` are pairs of a name and its attribute, if any."""

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
        _remove_docstrings(node)
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
    """Return the names that a statement defines; none if it may have other effects."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    names = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    plain = all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
    return names if plain else []


def _uses(statement: ast.stmt) -> Iterator[tuple[str, str | None]]:
    """Yield the names that a statement reads, each with the dotted attribute that is read, or None."""
    within = {id(node.value) for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
    for node in ast.walk(statement):
        if id(node) in within:
            continue
        if isinstance(node, ast.Name):
            yield node.id, None
        elif isinstance(node, ast.Attribute) and (dotted := _dotted(node)):
            yield dotted[0], ".".join(dotted[1:])


def _dotted(node: ast.expr) -> list[str]:
    """Split a.b.c into its parts; return none if it does not begin with a name."""
    if isinstance(node, ast.Name):
        return [node.id]
    before = _dotted(node.value) if isinstance(node, ast.Attribute) else []
    return [*before, node.attr] if before and isinstance(node, ast.Attribute) else []


def _used_by(file: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Yield what a definition uses of the library, including the file's statements that define no name."""
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
            yield from _resolve(*module.imported[used], attribute)


def _resolve(module: str, inner: str, attribute: str | None) -> Iterator[tuple[Path, str]]:
    """Yield the definitions that an imported name and attribute refer to."""
    path = ".".join(part for part in (module, inner, attribute) if part)
    parts = path.split(".")
    for depth in range(len(parts), 0, -1):
        place = _files(".".join(parts[:depth]))
        if not place:
            continue
        if depth == len(parts):  # a module as a value: everything in it may be used
            yield from _all_of(path)
        else:
            yield from _defined_in(place[-1], parts[depth])
        return


def _defined_in(file: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Yield the definition of a name in a module, following re-exports."""
    module = _module(file)
    if name in module.defined:
        yield file, name
    elif name in module.imported:
        yield from _resolve(*module.imported[name], None)
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
    """Return the files of a module's parent packages and its own; none if it is not in the library."""
    return _files_at(SCRIPTS, module)


def _remove_docstrings(node: ast.AST) -> None:
    """Remove the strings that stand by themselves in a body: docstrings, and descriptions of constants and fields."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        node.body = [statement for statement in node.body if not _is_string(statement)]


def _is_string(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _relative(file: Path) -> str:
    return file.relative_to(SCRIPTS).as_posix()
