"""The one exception that reaches a user as a sentence instead of a traceback."""


class UserError(Exception):
    """Something at the edge (config, data, checkpoint) is wrong; the message says what to do about it."""
