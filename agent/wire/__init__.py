"""The contract between controller and agent: messages, topics, blocks, signatures, profiles. No I/O in here.

Both sides import this room and it imports nothing of theirs. A key that a reader does not know is ignored and a key
that it misses takes its default, so that old and new sides understand each other.
"""
