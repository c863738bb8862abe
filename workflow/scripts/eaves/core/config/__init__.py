"""The configuration: typed blocks, loading and merging of files, validation with one line per fault."""

from eaves.core.config.loading import (
    CONFIG,
    ROOT,
    check,
    from_command_line,
    load,
    merge,
    parse_text_values,
    read_file,
    section,
)

__all__ = [
    "CONFIG",
    "ROOT",
    "check",
    "from_command_line",
    "load",
    "merge",
    "parse_text_values",
    "read_file",
    "section",
]
