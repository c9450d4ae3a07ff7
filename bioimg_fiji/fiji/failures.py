"""How an error of Java, of ImageJ or of one of our commands becomes an error of ours.

An error crosses Java in one of three forms: a `BackendException`, which carries our error as JSON; ImageJ's "Macro
canceled", which carries nothing and means that the message went elsewhere; or any other exception.
"""

from __future__ import annotations

import json
from typing import Any

from bioimg_fiji.errors import BioimgError, FijiError, HeadlessError

CANCELED = "Macro canceled"
"""Message of the exception by which ImageJ stops a macro: ij.Macro.MACRO_CANCELED."""

_BACKEND_EXCEPTION = "io.github.bioimgfiji.backend.BackendException"
_DIALOG = ("Cannot instantiate headless dialog", "Cannot run dialog headlessly")


def is_canceled(error: Any) -> bool:
    """Tell whether a Java exception is ImageJ's way of stopping a macro."""
    return str(error.getMessage() or "").endswith(CANCELED)


def explain(error: Any, what: str = "The command") -> BioimgError:
    """Give the error of ours that a Java exception stands for; `what` begins the sentence where it says little."""
    causes = chain(error)
    for each in causes:
        if str(each.getClass().getName()) == _BACKEND_EXCEPTION:
            return BioimgError.from_json(json.loads(str(each.toJson())))
    if any(_needs_display(each) for each in causes):
        return HeadlessError(
            f"{what} needs a window, and there is no display.",
            fix="Give its options in the macro line, key=value (ImageJ's recorder writes them), or open Fiji with "
            "headless=False under a display.",
        )
    last = causes[-1]
    name = str(last.getClass().getSimpleName())
    message = str(last.getMessage() or "")
    if name == "OutOfMemoryError":
        return FijiError(f"{what} ran out of Java's memory.", fix='Give it more: open_fiji(memory="16g"), or so.')
    text = f"{message} ({name})" if message and name != "RuntimeException" else message or name
    return FijiError(f"{what} failed: {text}.", fix="Fiji's log has the details.", java=str(last.toString()))


def chain(error: Any) -> list[Any]:
    """Give a Java exception and its causes, the outermost first."""
    found = [error]
    while found[-1].getCause() is not None and len(found) < 20:
        found.append(found[-1].getCause())
    return found


def _needs_display(error: Any) -> bool:
    name, message = str(error.getClass().getName()), str(error.getMessage() or "")
    # A dialog that headless ImageJ has cut off from java.awt breaks whatever takes it for a window: VerifyError.
    broken = name in ("java.lang.VerifyError", "java.lang.ClassCastException", "java.lang.IncompatibleClassChangeError")
    return (
        name.startswith("java.awt.")
        or message.startswith(_DIALOG)
        or (name == "java.lang.NullPointerException" and "ij.gui." in message)
        or (broken and ("java.awt" in message or "java/awt" in message or "Dialog" in message))
        or (name == "java.lang.NoClassDefFoundError" and "awt" in message)
    )
