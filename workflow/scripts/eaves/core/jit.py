"""Compiles the few loops over pixels that numpy cannot express, and remembers the machine code between runs."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable)


def compiled(function: F) -> F:
    """Compile a function at its first call; the result is kept on disk where there is a place for it.

    Numba looks for a writable folder: `__pycache__` beside the module, then the user's cache. On a read-only
    checkout without a home neither exists; the function is then compiled anew in each process (about a second).

    The result is used as long as the function's own module is unchanged. A compiled function must therefore call
    compiled functions of its own module only: a change in another module would go unnoticed.

    Args:
        function: A function of arrays and numbers, in the part of Python that numba compiles. It runs without
            the interpreter's lock.

    Returns:
        A function with the same signature.
    """
    try:
        return cast(F, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # "cannot cache function: no locator available"
        return cast(F, numba.njit(nogil=True)(function))
