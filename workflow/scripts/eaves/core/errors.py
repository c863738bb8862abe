"""The exceptions that mean: the input is at fault, or the disk, and this is how to mend it."""


class InputError(Exception):
    """A fault in what the user gave: files, settings or arguments.

    The message is one line that names the file or key, says what is wrong and what to do. Scripts print it
    without a traceback and exit with status 1.
    """


class WriteError(InputError):
    """A file cannot be written, and what is to be written next most probably neither."""
