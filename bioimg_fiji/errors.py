"""One tree of errors.

Every error says what was wrong and what to do next, has a code that never changes, and survives JSON and pickle,
so that it reads the same in a terminal, in a macro and in Fiji's window. The tree is drawn here::

    BioimgError                    error
    |-- InputError                 input                 the caller's values
    |   |-- ParameterError         parameter             one parameter: name, expected, got
    |   |   `-- UnknownKeyError    unknown_key           a key that the command has not
    |   |-- UnknownCommandError    unknown_command
    |   |-- AxesError              axes                  the image's axes and the asked ones do not fit
    |   |-- ImageError             image                 unusable pixels: type, NaN, constant
    |   |   `-- ImageTooSmallError image_too_small
    |   `-- FileFormatError        file_format           an image file that cannot be read or written
    |-- ModelError                 model
    |   |-- ModelNotFoundError     model_not_found
    |   |-- PackageError           package               a package that breaks the specification
    |   |-- UntrustedModelError    untrusted             code that was not trusted
    |   |-- WeightsError           weights               no weights that can run here
    |   `-- MisfitError            misfit                the model does not fit the image, and fit=strict
    |-- TrainingError              training
    |   `-- UnsuitableMethodError  unsuitable_method     the method does not suit the data
    |-- StorageError               storage               disk full, no permission
    |-- DownloadError              download              a file from elsewhere, missing or another than expected
    |-- MissingPartError           missing_part          a program, jar or package is not installed
    |-- JobCancelledError          cancelled
    |-- ServerError                server
    |   |-- ServerUnavailableError server_unavailable
    |   |-- ServerBusyError        server_busy           too many jobs wait
    |   |-- WorkerDiedError        worker_died
    |   |-- AuthenticationError    authentication
    |   |-- UnknownJobError        unknown_job
    |   `-- ProtocolError          protocol
    `-- FijiError                  fiji
        |-- MacroError             macro                 message and line of a failing macro
        |-- HeadlessError          headless              cannot work without a display
        `-- EndpointError          endpoint              a Fiji that cannot be opened

Lives here: the classes and their JSON form. Lives not here: HTTP status codes, exit codes, text layout.
"""

from __future__ import annotations

import errno
import os
from typing import Any, ClassVar

_LONGEST_REASON = 300
"""Characters of an error that is not ours: some libraries' are pages long."""


class BioimgError(Exception):
    """Base of all errors that are meant for users.

    Parameters
    ----------
    message
        What was wrong, in one or two sentences.
    fix
        What to do next, a sentence.
    details
        JSON values that belong to the error (field, expected, got, line, ...).
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, fix: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.to_json(),)

    def to_json(self) -> dict[str, Any]:
        """Give code, message, fix and details as JSON values."""
        return {"code": self.code, "message": self.message, "fix": self.fix, "details": self.details}

    @staticmethod
    def from_json(data: dict[str, Any]) -> BioimgError:
        """Build the error of that code; an unknown code (of a newer version) gives a plain `BioimgError`."""
        return _rebuild(data)


class InputError(BioimgError):
    """The caller's values are wrong."""

    code = "input"


class ParameterError(InputError):
    """A parameter has a value that it cannot have.

    `details` has `field`, `expected` and `got`.
    """

    code = "parameter"

    @classmethod
    def of(cls, field: str, expected: str, got: object, fix: str = "") -> ParameterError:
        """Write the message from its parts."""
        text = f"{field} must be {expected}, but it is {got!r}."
        return cls(text, fix=fix, field=field, expected=expected, got=repr(got))


class UnknownKeyError(ParameterError):
    """A key that the command does not have."""

    code = "unknown_key"


class UnknownCommandError(InputError):
    """No command has that id or title."""

    code = "unknown_command"


class AxesError(InputError):
    """The image's axes do not fit what was asked."""

    code = "axes"


class ImageError(InputError):
    """Pixels that cannot be used: type, NaN, constant, empty."""

    code = "image"


class ImageTooSmallError(ImageError):
    """The image is smaller than the method or the model needs."""

    code = "image_too_small"


class FileFormatError(InputError):
    """A file that is no image, or a format that cannot hold the image."""

    code = "file_format"


class ModelError(BioimgError):
    """A model cannot be used."""

    code = "model"


class ModelNotFoundError(ModelError):
    """No model under that name or path."""

    code = "model_not_found"


class PackageError(ModelError):
    """A model package that breaks the specification, or is damaged."""

    code = "package"


class UntrustedModelError(ModelError):
    """The package would run code that nobody has trusted."""

    code = "untrusted"


class WeightsError(ModelError):
    """The package has no weights that can run here."""

    code = "weights"


class MisfitError(ModelError):
    """The model does not fit the image, and the user asked to stop then; `details` has `light` and `figures`."""

    code = "misfit"


class TrainingError(BioimgError):
    """A training could not be done."""

    code = "training"


class UnsuitableMethodError(TrainingError):
    """The method does not suit the data."""

    code = "unsuitable_method"


class StorageError(BioimgError):
    """A result could not be written: disk full, no permission, a path that is no folder."""

    code = "storage"


class MissingPartError(BioimgError):
    """A program, jar or package is not installed."""

    code = "missing_part"


class DownloadError(BioimgError):
    """A file from elsewhere cannot be had, or is another than expected."""

    code = "download"


class JobCancelledError(BioimgError):
    """The job was cancelled by its user."""

    code = "cancelled"


class ServerError(BioimgError):
    """The model server failed."""

    code = "server"


class ServerUnavailableError(ServerError):
    """No server answers."""

    code = "server_unavailable"


class ServerBusyError(ServerError):
    """Too many jobs wait already; `details` has `retry_after`, in seconds."""

    code = "server_busy"


class WorkerDiedError(ServerError):
    """The process that did the work ended before the work was done."""

    code = "worker_died"


class AuthenticationError(ServerError):
    """The token is missing or wrong."""

    code = "authentication"


class UnknownJobError(ServerError):
    """No job, or no buffer, of that id."""

    code = "unknown_job"


class ProtocolError(ServerError):
    """A request or an answer that breaks the protocol."""

    code = "protocol"


class FijiError(BioimgError):
    """Fiji or ImageJ failed."""

    code = "fiji"


class MacroError(FijiError):
    """A macro failed; `details` has `line` where ImageJ tells it."""

    code = "macro"


class HeadlessError(FijiError):
    """Something that cannot work without a display."""

    code = "headless"


class EndpointError(FijiError):
    """A Fiji or ImageJ that cannot be opened."""

    code = "endpoint"


def _tree(root: type[BioimgError]) -> dict[str, type[BioimgError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


def _rebuild(data: dict[str, Any]) -> BioimgError:
    kind = _tree(BioimgError).get(str(data.get("code")), BioimgError)
    return kind(str(data.get("message", "")), fix=str(data.get("fix", "")), **data.get("details", {}))


def no_space(what: str, folder: object, needed: int, free: int) -> StorageError:
    """Tell that `what` of `needed` bytes has no room on a disk, and how much is missing."""
    missing = max(needed - max(free, 0), 0)
    return StorageError(
        f"{what} needs {_amount(needed)} on the disk of {folder}, and {_amount(max(free, 0))} are free: "
        f"{_amount(missing)} are missing.",
        fix=f"Free {_amount(missing)} there, or name a folder with more space.",
        path=str(folder),
        needed=needed,
        free=max(free, 0),
        missing=missing,
    )


def _amount(size: int) -> str:
    """Give a number of bytes for people."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def reason_of(error: Exception) -> str:
    """Tell an error in one line, as the reason why one of many failed; of a library's its class and start."""
    text = " ".join(str(error).split())
    return text if isinstance(error, BioimgError) else f"{type(error).__name__}: {text[:_LONGEST_REASON]}"


def storage_error(action: str, path: object, cause: OSError) -> StorageError:
    """Tell a failed write to `path` (`cause` is the operating system's error) as a `StorageError`."""
    fixes = {
        errno.ENOSPC: "Free space on that disk, or name another folder.",
        errno.EDQUOT: "Free space in your quota, or name another folder.",
        errno.EACCES: "Name a folder that you may write to.",
        errno.EROFS: "Name a folder that you may write to.",
        errno.ENOENT: "Create the folder first.",
    }
    number, reason = cause.errno or 0, cause.strerror or str(cause)
    if not number and "requested and" in reason:  # numpy's tofile tells a short write without a number
        number, reason = errno.ENOSPC, os.strerror(errno.ENOSPC)
    return StorageError(
        f"{action} {path} failed: {reason}.",
        fix=fixes.get(number, "Check the path."),
        path=str(path),
    )
