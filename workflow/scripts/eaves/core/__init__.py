"""What every part relies on: configuration, command lines, atomic files, errors, compiled loops."""
