"""A fingerprint of code: it changes with what the code does, not with its comments, docstrings or layout."""

import ast
from functools import cache
from hashlib import sha256
from pathlib import Path

LIBRARY = Path(__file__).resolve().parent


def fingerprint(script: Path) -> str:
    """Hashes a script and every module of the library that it imports, directly or not.

    Args:
        script: a Python file.

    Returns:
        16 hexadecimal digits.
    """
    reached = [script.resolve()]
    for file in reached:
        reached += [module for module in _imports(file) if module not in reached]
    digest = sha256()
    for file in sorted(reached, key=lambda path: path.relative_to(LIBRARY.parent).as_posix()):
        digest.update(file.relative_to(LIBRARY.parent).as_posix().encode())
        digest.update(_tree(file).encode())
    return digest.hexdigest()[:16]


@cache
def _imports(file: Path) -> list[Path]:
    """The library's files that a file imports, the packages around them included."""
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    found = []
    for name in names:
        parts = name.split(".")
        if parts[0] != LIBRARY.name:
            continue
        for depth in range(1, len(parts) + 1):
            place = LIBRARY.joinpath(*parts[1:depth])
            found += [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]
    return sorted(set(found))


@cache
def _tree(file: Path) -> str:
    """The syntax tree as text, without docstrings."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return ast.dump(tree)
