"""What a notebook shows of an object: a picture and a table of names and texts, in little HTML.

Lives here: HTML of texts, tables and small pictures. Lives not here: what is shown of an image, a model, a result; they
know it themselves (`_repr_html_`). Whatever goes wrong, a notebook gets a text: showing an object never raises.
"""

from __future__ import annotations

import base64
import functools
import html
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

LONGEST = 300
"""Characters of a text that are shown."""

T = TypeVar("T")


def text(value: object, longest: int | None = LONGEST) -> str:
    """Escape a text, and cut it where it is longer than that (None: never)."""
    whole = str(value)
    return html.escape(whole if longest is None or len(whole) <= longest else f"{whole[:longest]}…")


def rows(pairs: Iterable[tuple[str, object]]) -> str:
    """Write a table of names and texts; those without a text are left out."""
    found = [(name, value) for name, value in pairs if str(value)]
    cell = 'style="text-align:left;vertical-align:top"'
    lines = (f"<tr><th {cell}>{text(name)}</th><td {cell}>{text(value)}</td></tr>" for name, value in found)
    return f"<table>{''.join(lines)}</table>"


def table(columns: Sequence[object], cells: Sequence[Sequence[object]]) -> str:
    """Write a table with a head."""
    head = "".join(f"<th>{text(each)}</th>" for each in columns)
    body = "".join("<tr>" + "".join(f"<td>{text(each)}</td>" for each in row) + "</tr>" for row in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def picture(pixels: npt.NDArray[np.uint8], width: int) -> str:
    """Write a picture, (y, x) or (y, x, 3), that is shown `width` pixels wide."""
    import imageio.v3 as imageio

    buffer = io.BytesIO()
    imageio.imwrite(buffer, pixels, extension=".png")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    style = f"width:{width}px;max-width:none;image-rendering:pixelated"
    return f'<img alt="" style="{style}" src="data:image/png;base64,{data}">'


def beside(left: str, right: str) -> str:
    """Put two parts side by side."""
    style = "display:flex;gap:1em;align-items:flex-start;flex-wrap:wrap"
    return f'<div style="{style}"><div>{left}</div><div>{right}</div></div>'


def never_raises(show: Callable[[T], str]) -> Callable[[T], str]:
    """Show an object by its `repr` where it cannot be shown as it should."""

    @functools.wraps(show)
    def shown(self: T) -> str:
        try:
            return show(self)
        except Exception as error:  # noqa: BLE001 - a notebook would show a stack trace for a picture
            return f"<pre>{text(_plain(self))}\n(no picture: {text(type(error).__name__)})</pre>"

    return shown


def _plain(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - see above
        return object.__repr__(value)
