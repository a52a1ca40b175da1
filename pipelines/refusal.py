"""Why a command ends without having done what was asked, in a sentence with a way out."""

BAD_INPUT = 2
"""Exit code: the arguments, the settings or the files named cannot be used."""

SERVER = 3
"""Exit code: the cluster's side could not be reached, or refused."""

GOES_ON = 4
"""Exit code: a run goes on that was not waited for any longer."""


class Refusal(Exception):
    """Ends a command; the message is for the person who typed it.

    Attributes:
        code: The exit code.
    """

    def __init__(self, message: str, code: int = BAD_INPUT) -> None:
        """Take the message, one line for every problem."""
        super().__init__(message)
        self.code = code
