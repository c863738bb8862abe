"""The examples in the library's docstrings are true."""

import doctest
import importlib
import pkgutil

import eaves


def test_examples_in_docstrings():
    tried = 0
    for found in pkgutil.walk_packages(eaves.__path__, "eaves."):
        failed, count = doctest.testmod(importlib.import_module(found.name))
        assert not failed, found.name
        tried += count
    assert tried >= 5
