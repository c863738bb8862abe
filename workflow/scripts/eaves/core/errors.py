"""Exceptions for problems that the user can solve, in the input or on the disk."""


class InputError(Exception):
    """An error in the user's files, settings or arguments.

    The message names the file or key, what is wrong and what to do, one line for each error. Scripts print it without a
    traceback and exit with status 1.
    """


class WriteError(InputError):
    """A file cannot be written; further files will probably fail for the same reason."""
