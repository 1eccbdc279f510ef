"""The one kind of error that is the user's to mend.

A ``UserError`` names the thing that is wrong and the remedy. The command line prints its message
without a traceback and ends with exit code 2.
"""


class UserError(ValueError):
    """Input that cannot be used as it stands; the message says what to change."""


class RecordError(UserError):
    """A record on disk that is missing, damaged, or of a later format."""
