"""A fingerprint of code changes with what the code does, and with nothing else."""

import pytest
from toy import SCRIPTS

from eaves import fingerprint

SCRIPT = '''"""Does a thing."""
from eaves.used import half
from eaves import package
print(half(3))
'''
USED = '''"""Halves."""
import eaves.deeper

def half(number):
    """A half."""
    return number / 2  # exactly
'''
FILES = {
    "script.py": SCRIPT,
    "eaves/__init__.py": "",
    "eaves/used.py": USED,
    "eaves/deeper.py": "DEPTH = 1\n",
    "eaves/package/__init__.py": "from eaves.package.inner import X\n",
    "eaves/package/inner.py": "X = 1\n",
    "eaves/unused.py": "Y = 1\n",
}


@pytest.fixture
def print_of(tmp_path, monkeypatch):
    """Takes the fingerprint of the files above with some of them changed."""
    made = 0

    def take(changes=None):
        nonlocal made
        made += 1
        root = tmp_path / str(made)
        for name, text in (FILES | (changes or {})).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        monkeypatch.setattr(fingerprint, "LIBRARY", root / "eaves")
        return fingerprint.fingerprint(root / "script.py")

    return take


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"eaves/used.py": USED.replace("  # exactly", "")},
        {"eaves/used.py": USED.replace("A half.", "Half of a number.")},
        {"eaves/used.py": USED.replace('    """A half."""\n', "")},
        {"eaves/used.py": USED.replace("(number):", "(\n    number,\n):")},
        {"script.py": SCRIPT.replace("Does a thing", "Does something")},
        {"eaves/unused.py": "Y = 2\n"},
    ],
)
def test_what_the_code_does_not_do_changes_nothing(print_of, changes):
    assert print_of(changes) == print_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"script.py": SCRIPT.replace("3", "4")},
        {"eaves/used.py": USED.replace("/ 2", "/ 3")},
        {"eaves/used.py": USED.replace("number", "value")},
        {"eaves/deeper.py": "DEPTH = 2\n"},
        {"eaves/package/__init__.py": "from eaves.package.inner import X as Z\n"},
        {"eaves/package/inner.py": "X = 2\n"},
        {"eaves/__init__.py": "import os\n"},
    ],
)
def test_what_the_code_does_changes_the_fingerprint(print_of, changes):
    assert print_of(changes) != print_of()


def test_scripts_depend_on_the_library_they_use():
    reached = fingerprint._imports(SCRIPTS / "train.py")
    assert SCRIPTS / "eaves" / "training.py" in fingerprint._imports(SCRIPTS / "eaves" / "fold_training.py")
    assert SCRIPTS / "eaves" / "fold_training.py" in reached
    prints = [fingerprint.fingerprint(path) for path in sorted(SCRIPTS.glob("*.py"))]
    assert len(set(prints)) == len(prints)
