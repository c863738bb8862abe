"""The one exception that means: the input is at fault, and this is how to mend it."""


class InputError(Exception):
    """A fault in what the user gave: files, settings or arguments.

    The message is one line that names the file or key, says what is wrong and what to do. Scripts print it
    without a traceback and exit with status 1.
    """
