"""Speed and memory: ``python -m tests.bench [NAME…]`` prints one JSON line per figure.

Every speed is measured beside a baseline in the same run, in interleaved rounds, and medians are compared: a busy machine slows
both. Nothing here fails because it was slow.
"""
