"""Pure rules and values of an access provider. Standard library only; no input, no output, no clock."""
