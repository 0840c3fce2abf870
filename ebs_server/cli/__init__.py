"""The ``ebs`` command line: thin, every command is one use case."""
