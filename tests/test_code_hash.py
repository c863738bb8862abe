"""The hash of a script's code changes with what the code does, and with nothing else."""

import pytest
from toy import SCRIPTS

from eaves.core import code_hash

SCRIPT = '''"""Does a thing."""
import math as m
from eaves import package, tools
from eaves.used import Kind, half
print(half(3), tools.first(m.pi), package.X, Kind())
'''
USED = '''"""Halves."""
import eaves.deeper
from eaves import tools
from eaves.package.inner import BASE, X

LIMIT: int = 7
registered = []
registered.append(LIMIT)

def half(number):
    """A half."""
    return _scaled(number) / 2  # exactly

def _scaled(number):
    return number * SCALE

def other(number):
    return number / 4 * UNUSED

SCALE, OFFSET = 1, 2
UNUSED = 9

class Kind(BASE):
    """Of things."""
    def name(self):
        return eaves.deeper.DEPTH
'''
TOOLS = """
from collections import deque
def first(x):
    return deque([x])
def second(x):
    return x[1]
"""
FILES = {
    "script.py": SCRIPT,
    "eaves/__init__.py": "",
    "eaves/used.py": USED,
    "eaves/tools.py": TOOLS,
    "eaves/deeper.py": "DEPTH = 1\nOTHER = 1\n",
    "eaves/package/__init__.py": "from eaves.package.inner import X\n",
    "eaves/package/inner.py": "X = 1\nBASE = object\nY = 1\n",
    "eaves/unused.py": "Y = 1\n",
}


@pytest.fixture
def hash_of(tmp_path, monkeypatch):
    """Compute the code hash of the files above with some of them changed."""
    made = 0

    def take(changes=None):
        nonlocal made
        made += 1
        root = tmp_path / str(made)
        for name, text in (FILES | (changes or {})).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        monkeypatch.setattr(code_hash, "SCRIPTS", root)
        return code_hash.code_hash(root / "script.py")

    return take


def change(name, old, new):
    assert old in FILES[name]
    return {name: FILES[name].replace(old, new)}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        change("eaves/used.py", "  # exactly", ""),
        change("eaves/used.py", "A half.", "Half of a number."),
        change("eaves/used.py", '    """A half."""\n', ""),
        change("eaves/used.py", "half(number):", "half(\n    number,\n):"),
        change("eaves/used.py", "Of things.", "Of other things."),
        change("eaves/deeper.py", "DEPTH = 1\n", 'DEPTH = 1\n"""What a constant means."""\n'),
        change("script.py", "Does a thing", "Does something"),
        # What nothing here uses, in a module that is used:
        change("eaves/used.py", "/ 4", "/ 5"),
        change("eaves/used.py", "UNUSED = 9", "UNUSED = 10"),
        change("eaves/tools.py", "x[1]", "x[2]"),
        change("eaves/deeper.py", "OTHER = 1", "OTHER = 2"),
        change("eaves/package/inner.py", "Y = 1", "Y = 2"),
        {"eaves/unused.py": "Y = 2\n"},
        {"eaves/unused.py": "print(1)\n"},
    ],
)
def test_what_the_code_does_not_do_changes_nothing(hash_of, changes):
    assert hash_of(changes) == hash_of()


@pytest.mark.parametrize(
    "changes",
    [
        change("script.py", "3", "4"),
        change("script.py", "import math as m", "import cmath as m"),
        change("eaves/used.py", "/ 2", "/ 3"),
        change("eaves/used.py", "half(number):", "half(number, more=1):"),
        change("eaves/used.py", "number * SCALE", "number + SCALE"),
        change("eaves/used.py", "SCALE, OFFSET = 1", "SCALE, OFFSET = 2"),
        change("eaves/used.py", "LIMIT: int = 7", "LIMIT: int = 8"),
        change("eaves/used.py", "registered.append", "registered.remove"),
        change("eaves/used.py", "eaves.deeper.DEPTH", "eaves.deeper.OTHER"),
        change("eaves/tools.py", "deque([x])", "deque([x, x])"),
        change("eaves/tools.py", "from collections import deque", "from queue import Queue as deque"),
        change("eaves/deeper.py", "DEPTH = 1", "DEPTH = 2"),
        change("eaves/deeper.py", "OTHER = 1", "OTHER = 1\nprint(OTHER)"),
        change("eaves/package/__init__.py", "import X", "import Y as X"),
        change("eaves/package/inner.py", "X = 1", "X = 2"),
        change("eaves/package/inner.py", "BASE = object", "BASE = int"),
        {"eaves/__init__.py": "print(1)\n"},
        # A module as a value: anything in it may be used.
        change("script.py", "tools.first(m.pi)", "vars(tools)['second']([1, 2])"),
    ],
)
def test_what_the_code_does_changes_the_hash(hash_of, changes):
    assert hash_of(changes) != hash_of()


def test_all_of_a_module_counts_where_it_is_handed_on_whole(hash_of):
    for use in (
        "print(vars(tools))",
        "from eaves.tools import *\nprint(second)",
        "import eaves.tools\nprint(eaves.tools)",
    ):
        script = {"script.py": f"from eaves import tools\n{use}\n"}
        changed = change("eaves/tools.py", "x[1]", "x[2]")
        assert hash_of(script) != hash_of(script | changed), use


def test_scripts_depend_on_the_library_they_use():
    hashes = [code_hash.code_hash(path) for path in sorted(SCRIPTS.glob("*.py"))]
    assert len(set(hashes)) == len(hashes)
    files = {
        script: {file.stem for file, _ in code_hash.reachable(SCRIPTS / script)} for script in ("train.py", "merge.py")
    }
    assert {"loop", "trainer", "losses", "augment", "batch_norm", "decoders"} <= files["train.py"]
    assert not {"loop", "losses", "challenge"} & files["merge.py"]
    used = {(file.stem, name) for file, name in code_hash.reachable(SCRIPTS / "merge.py")}
    assert ("geotiff", "create_raster") in used
    assert ("geotiff", "read") not in used
