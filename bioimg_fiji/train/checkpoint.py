"""Checkpoints: written whole or not at all, and read without running any code."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

import torch

from bioimg_fiji.errors import TrainingError, storage_error

FORMAT = 2


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors and plain values) so that `path` holds the old or the new checkpoint at any moment.

    Raises
    ------
    StorageError
        When the disk is full or the folder cannot be written; the old checkpoint stays.
    """
    temporary = None
    # NB: torch tells a full disk by a RuntimeError about its own format; a plain write tells it by the system's error.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except OSError as cause:
        _remove(temporary)
        raise storage_error("Writing the checkpoint", path, cause) from cause
    except BaseException:
        _remove(temporary)
        raise


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises
    ------
    TrainingError
        When the file is no checkpoint of this version or is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as cause:
        raise TrainingError(
            f"{path} cannot be read as a checkpoint ({cause.__class__.__name__}).",
            fix="Name another checkpoint, or start the training again without resuming.",
            path=str(path),
        ) from cause
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise TrainingError(
            f"{path} is not a checkpoint of this version.",
            fix="Start the training again without resuming.",
            path=str(path),
        )
    return state


def sweep(path: Path) -> None:
    """Remove what a killed process left half-written beside the checkpoint `path`."""
    if path.parent.is_dir():
        for left in path.parent.glob(f".{path.name}.*.part"):
            _remove(str(left))


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; Windows has no handle for a folder and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: str | None) -> None:
    if path is not None:
        with contextlib.suppress(OSError):
            Path(path).unlink()
