"""The heart of EBS: the domain, its storage and the use cases. Knows no template engine and no transport."""
