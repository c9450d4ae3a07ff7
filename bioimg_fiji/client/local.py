"""The server of this computer: found by its connection file, started where none runs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bioimg_fiji.client.transport import Transport
from bioimg_fiji.errors import AuthenticationError, ParameterError, ProtocolError, ServerError, ServerUnavailableError
from bioimg_fiji.server import connection
from bioimg_fiji.server.options import PROTOCOL

_START_SECONDS = 60.0


def check_protocol(transport: Transport, pid: int | None = None) -> bool:
    """Ask the server who it is; give whether it is process `pid` (None: whichever).

    Raises
    ------
    ProtocolError
        When it speaks another version of the protocol.
    """
    info = transport.json("GET", "/v1/info")
    theirs = info.get("protocol")
    if theirs != PROTOCOL:
        raise ProtocolError(
            f"The server at {transport.url} speaks protocol {theirs!r}, this program {PROTOCOL}.",
            fix="Install the same version of bioimg-fiji on both sides, and start the server again.",
        )
    return pid is None or info.get("pid") == pid


def find(path: Path) -> Transport:
    """Reach the server that the connection file names.

    Raises
    ------
    ServerUnavailableError
        When there is no such file, or its server is gone.
    """
    told = connection.read(path)
    if told is None:
        raise _none_runs(f"there is no connection file {path}")
    try:
        transport = Transport(told.url, told.token, pin=told.fingerprint)
    except ParameterError as error:
        raise _none_runs(f"{path} is damaged: {error.message}") from error
    try:
        if check_protocol(transport, told.pid):
            return transport
        reason = f"another program answers at {told.url}"
    except (ServerUnavailableError, AuthenticationError) as error:
        reason = error.message
    except BaseException:
        transport.close()
        raise
    transport.close()
    raise _none_runs(f"{path} is of one that has gone: {reason}")


def start(path: Path, idle_exit: float) -> None:
    """Start a server if none runs, and wait until the connection file names one that answers.

    Raises
    ------
    ServerError
        When it cannot be started; with the last lines that it wrote.
    """
    if _runs(path):
        return
    arguments = ["serve", "--connection", str(path), "--idle-exit", str(idle_exit)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            # -P: a user's random.py in this folder must not replace the library's.
            [sys.executable, "-P", "-m", "bioimg_fiji", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,  # Ctrl-C here is not meant for it
        )
        try:
            if _wait_for(process, path):
                _reap(process)
                return
        except BaseException:
            process.terminate()
            process.wait()
            raise
        process.terminate()
        process.wait()
        log.seek(0)
        said = log.read().decode("utf-8", "replace").strip()[-2000:]
    raise ServerError(
        f"The model server could not be started: {said or 'it said nothing'}",
        fix="Run `bioimg-fiji serve` in a terminal to see more.",
    )


def _runs(path: Path) -> bool:
    try:
        find(path).close()
    except ServerUnavailableError:
        return False
    return True


def _wait_for(process: subprocess.Popen[bytes], path: Path) -> bool:
    """Wait until a server answers: this process, or another that was faster (this one then ends with 0)."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll()  # before the file is read, or its last moment is missed
        if _runs(path):
            return True
        if ended:
            return False
        time.sleep(0.05)
    return False


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Take the exit code of a server that outlives this call, whenever it ends: else it would stay as a zombie."""
    threading.Thread(target=process.wait, name="server-end", daemon=True).start()


def _none_runs(reason: str) -> ServerUnavailableError:
    return ServerUnavailableError(
        f"No model server runs: {reason}.",
        fix="Start one with `bioimg-fiji serve`, or in Python with Client.local(start=True).",
    )
