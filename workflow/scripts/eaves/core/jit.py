"""Just-in-time compilation of the few loops over pixels that numpy cannot express, cached between runs."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function at its first call, and cache the machine code on the disk if possible.

    Numba needs a writable folder: `__pycache__` beside the module, or the user's cache. In a read-only checkout without
    a home folder neither exists, and each process compiles the function again (about a second).

    The cache is valid as long as the function's own module is unchanged. A compiled function must therefore call only
    compiled functions of its own module: a change in another module would not be noticed.

    Args:
        function: A function of arrays and numbers, in the subset of Python that numba supports. It runs without the
            global interpreter lock.

    Returns:
        The compiled function, with the same signature.
    """
    try:
        return cast(F, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # "cannot cache function: no locator available"
        return cast(F, numba.njit(nogil=True)(function))
