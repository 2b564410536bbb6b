"""What can go wrong with an archive. Every message says what happened, where and what to do."""


class ArchiveError(RuntimeError):
    """The archive cannot be used as asked; the message carries the remedy."""


class ArchiveUnreachable(ArchiveError):
    """The archive does not answer, or refuses to."""


class RefusedFile(ArchiveError):
    """One file is not what it claims to be; nothing of it is stored."""
