"""The few errors of this project; only the CLI and the web app turn them into exit codes and pages."""


class ClipEmotionError(Exception):
    """Something failed for a reason that a person can act on; the message is one sentence saying what to do."""

    exit_code = 1


class UsageError(ClipEmotionError):
    """The caller asked for something that cannot be: an unknown name, a wrong option, a malformed file."""

    exit_code = 2


class DataError(ClipEmotionError):
    """A data file or folder is missing, unreadable or not in the layout that its card describes."""


class ImageError(DataError):
    """One picture cannot be used (unreadable, truncated, empty, too large, not a picture)."""


class VideoError(DataError):
    """One video cannot be opened or read (missing, damaged, cut off, without pictures, out of reach)."""


class ModelError(ClipEmotionError):
    """Weights are missing, truncated, of another architecture, or out of reach of this machine."""


class MissingExtraError(ClipEmotionError):
    """An optional part is not installed; the message holds the line that installs it."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs {package}, which is not installed: run pip install 'clip-emotion[{extra}]'.")
