"""`bioimg-fiji dashboard`: the way into the server's page for a browser."""

from __future__ import annotations

import html
import os
import webbrowser
from pathlib import Path

from bioimg_fiji import settings
from bioimg_fiji.client import local
from bioimg_fiji.errors import storage_error


def address() -> tuple[str, float]:
    """Give the address of this user's server with a new one-time code, and how many seconds the code lives.

    Raises
    ------
    ServerUnavailableError
        When none runs.
    """
    transport = local.find(settings.connection_file())
    try:
        made = transport.json("POST", "/v1/dashboard/codes")
    finally:
        transport.close()
    return transport.url + str(made["path"]), float(made["seconds"])


def show(url: str) -> bool:
    """Open the address in the user's browser; False where there is none.

    The browser is given a file that only this user can read and that goes on to the address: what stands in a command
    line can be read by every user of the computer.
    """
    page = settings.home_folder() / "dashboard.html"
    text = f'<!doctype html><meta http-equiv="refresh" content="0; url={html.escape(url)}"><title>bioimg-fiji</title>\n'
    try:
        page.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        page.unlink(missing_ok=True)
        _write(page, text)
    except OSError as error:
        raise storage_error("Writing the way to the dashboard,", page, error) from error
    return webbrowser.open(page.as_uri())


def _write(page: Path, text: str) -> None:
    with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
