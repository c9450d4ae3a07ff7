"""`bioimg-fiji dashboard`: the way into the server's page for a browser."""

from __future__ import annotations

import html
import os
import webbrowser
from pathlib import Path

from bioimg_fiji import settings
from bioimg_fiji.client import local
from bioimg_fiji.client.transport import Transport
from bioimg_fiji.errors import storage_error
from bioimg_fiji.remote import named


def address(server: str = named.LOCAL) -> tuple[str, float]:
    """Give the address of a server's page with a new one-time code, and how many seconds the code lives.

    Parameters
    ----------
    server
        A named server, which is then reached as its entry says; by default this user's own on this computer.

    Raises
    ------
    ParameterError
        When there is no such name.
    ServerUnavailableError
        When it does not run.
    """
    transport = _reach(server)
    try:
        made = transport.json("POST", "/v1/dashboard/codes")
    finally:
        transport.close()
    return transport.url + str(made["path"]), float(made["seconds"])


def _reach(server: str) -> Transport:
    if server == named.LOCAL:
        return local.find(settings.connection_file())
    entry = named.find(server)
    return Transport(entry.url, entry.token, pin=entry.fingerprint)


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
