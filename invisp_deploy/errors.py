"""Everything this package raises on purpose.

::

    InvispError                     exit code 1
    ├── RequestError                exit code 2   what was asked for cannot be done as asked
    │   ├── MissingFileError        exit code 2   a file or folder that is named is not there
    │   └── MissingPackageError     exit code 2   a package that this needs is not installed
    │       └── MissingExtraError   exit code 2   the same, of one of the extras
    ├── RawFileError                exit code 1   not a RAW file, damaged, or a mosaic we do not handle
    ├── ImageFileError              exit code 1   not an image, damaged, or without a way back
    ├── OutputError                 exit code 1   a file could not be written
    ├── ContractError               exit code 1   the frame or picture does not fit the weights
    ├── CheckpointError             exit code 1   weights that do not load strictly
    ├── GraphError                  exit code 1   an ONNX file that is not one of our graphs
    ├── EngineError                 exit code 1   a runtime that is refused or failed
    │   └── OutOfMemoryError        exit code 1   names the smaller tile to ask for
    ├── ParityError                 exit code 1   an exported graph that disagrees with PyTorch
    ├── CalibrationError            exit code 1   scales of other weights, or data that says nothing
    ├── DatasetError                exit code 1   a prepared dataset that is unfinished, damaged or incomplete
    ├── TrainingError               exit code 1   data or numbers that training cannot go on with
    └── UnexpectedError             exit code 1   what nobody foresaw, told with its type and place

Each message is one sentence or two: what happened, what was found, what was expected, what to do.
Parameters are named in backticks, as Python knows them (`memory`); a command that has an option of that name prints
the option (--memory). The commands print no traceback and leave with the exit code of the class.
"""

from __future__ import annotations

import os


class InvispError(Exception):
    """Base of every error that a user can cause and mend."""

    exit_code = 1


class RequestError(InvispError):
    """The request itself is at fault: a bad value, parameters that exclude each other, an output that exists."""

    exit_code = 2


class MissingFileError(RequestError):
    """A file or folder that was named is not there."""


class MissingPackageError(RequestError):
    """A Python package that this needs is not installed."""


class MissingExtraError(MissingPackageError):
    """The same, where one of the extras brings the package.

    >>> str(MissingExtraError("torch", "train"))  # installed with `pip install -e .` from that folder
    "This needs `torch`, which is not installed: pip install -e '/home/me/invisp-deploy[train]'"
    """

    def __init__(self, package: str, extra: str) -> None:
        from invisp_deploy.installation import install_line

        super().__init__(f"This needs `{package}`, which is not installed: {install_line(extra)}")
        self.package = package
        self.extra = extra


class RawFileError(InvispError):
    """A file that is no RAW file, is damaged, or holds a mosaic other than a 2x2 Bayer pattern."""


class ImageFileError(InvispError):
    """A picture that cannot be read or does not carry what the way back to RAW needs."""


class OutputError(InvispError):
    """A file that could not be written; nothing was left half-written."""


class ContractError(InvispError):
    """A frame or picture that does not fit the camera contract of the weights."""


class CheckpointError(InvispError):
    """A checkpoint that does not load strictly."""


class GraphError(InvispError):
    """An ONNX file that is not a forward or inverse graph of this package."""


class EngineError(InvispError):
    """A runtime or provider that was refused, or failed while running."""


class OutOfMemoryError(EngineError):
    """A tile did not fit in memory."""


class ParityError(InvispError):
    """An exported graph whose numbers differ from the PyTorch reference by more than the tolerance."""


class CalibrationError(InvispError):
    """Scales that were measured on other weights, or data that nothing can be measured on."""


class DatasetError(InvispError):
    """A prepared dataset that was not finished, is damaged, or lacks a file."""


class TrainingError(InvispError):
    """Training data or training numbers (NaN, infinity) that make going on pointless."""


class UnexpectedError(InvispError):
    """What nobody foresaw: an error of this package, or of the system, that one file brought out."""


def failure_of(error: Exception, name: str) -> InvispError:
    """What is told of the file or frame `name` that an exception of any kind ended: an InvispError as it is."""
    if isinstance(error, InvispError):
        return error
    if isinstance(error, MemoryError):
        return OutOfMemoryError(f"{name}: out of memory; close other programs, or pass a smaller `memory`.")
    if isinstance(error, OSError) and error.strerror:
        return UnexpectedError(f"{name}: the system refused: {error.strerror} ({type(error).__name__}).")
    said = " ".join(str(error).split()) or "no more is known"
    return UnexpectedError(
        f"{name}: an error of invisp itself, please report it: {type(error).__name__}: {said}{_place(error)}."
    )


def _place(error: Exception) -> str:
    """` (module.py:line)` of the innermost call of this package."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if os.path.dirname(__file__) in file:
            place = f" ({os.path.basename(file)}:{trace.tb_lineno})"
        trace = trace.tb_next
    return place
