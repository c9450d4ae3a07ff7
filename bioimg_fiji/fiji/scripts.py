"""Files with macros and scripts: which of them are ImageJ's macros, and which take SciJava (`scijava` runs these)."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from bioimg_fiji.errors import InputError

MACROS = (".ijm", ".txt", "")
"""Endings of macros; `.ijm` is ImageJ's own, without one it is a macro too."""

_PARAMETERS = re.compile(r"^\s*(//|#)?\s*#@", re.MULTILINE)


def is_macro(path: PurePath) -> bool:
    """Tell whether a file is in ImageJ's macro language, by its ending."""
    return path.suffix.lower() in MACROS


def is_script(path: PurePath, text: str) -> bool:
    """Tell whether a file is for SciJava: in another language than ImageJ's, or with `#@` parameters."""
    return not is_macro(path) or _PARAMETERS.search(text) is not None


def script_name(path: PurePath) -> str:
    """Give the name by which SciJava knows a file's language: that of a macro ends with .ijm."""
    return f"{path}.ijm" if is_macro(path) and path.suffix.lower() != ".ijm" else str(path)


def read_text(path: Path) -> str:
    """Read a macro or script (UTF-8).

    Raises
    ------
    InputError
        When it cannot be read.
    """
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise InputError(f"The macro {path} cannot be read: {error.strerror}.", fix="Check the path.") from error
