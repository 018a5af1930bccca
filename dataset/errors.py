"""What can go wrong with the data, as types that a caller can tell apart."""


class DatasetError(Exception):
    """The digits cannot be had, or a file does not hold what it should.

    Parameters
    ----------
    message : str
        What is wrong with which file or folder, and what the reader can do about it.
    reason : str, optional
        The same in a few words without the remedy, to be quoted inside another sentence. The whole
        message by default.

    Attributes
    ----------
    reason : str
        As above.
    """

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason or message


class SampleDataWarning(UserWarning):
    """The small sample stands in for the full set, which could not be had."""
