"""What can go wrong with the data, as types that a caller can tell apart."""


class DatasetError(Exception):
    """The data cannot be had: `message` says what is wrong with which file, and what to do.

    The attribute `reason` says the same in a few words, to be quoted inside another sentence.
    """

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason or message


class SampleDataWarning(UserWarning):
    """The small sample stands in for the full set, which could not be had."""
