"""Everything wired together: the composition root, the command line, the demo."""
