"""What ImageJ cannot do without a display, although it does not say so.

Most of what needs a window fails with an exception, which becomes a `HeadlessError` (failures.py). Listed here is what
would go on in silence, with nothing done or with a wrong number.
"""

from __future__ import annotations

from bioimg_fiji.errors import HeadlessError

SILENT: dict[str, str] = {}
"""Class of a command -> why it does not work without a display."""


def check(name: str, class_name: str, options: str) -> None:
    """Raise before a command that would fail in silence.

    Raises
    ------
    HeadlessError
        With the reason.
    """
    reason = SILENT.get(class_name)
    if reason is not None:
        raise HeadlessError(
            f"{name} does not work without a display: {reason}.",
            fix="Open Fiji with headless=False under a display (on a server: Xvfb).",
            command=name,
        )
