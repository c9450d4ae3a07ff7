"""HTTP as the client speaks it: JSON and pixels, one error class for whatever goes wrong on the way."""

from __future__ import annotations

import contextlib
import ipaddress
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import BioimgError, ParameterError, ProtocolError, ServerUnavailableError
from bioimg_fiji.server.wire import blocks, byte_size, crc_text, shaped

_TIMEOUT = httpx.Timeout(4.5, connect=3.0, write=60.0)
"""Seconds. A server that lives answers at once, and sends a comment each second while a job runs."""


class Transport:
    """Requests to one server.

    Parameters
    ----------
    url
        Address of the server, without path.
    token
        Its token.

    Raises
    ------
    ParameterError
        When the address is none.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ParameterError.of("url", "an address like http://127.0.0.1:40123", url)
        if not token or not all("!" <= letter <= "~" for letter in token):
            raise ParameterError("The token has characters that no token has.", fix="Copy it from the connection file.")
        self.url = url.rstrip("/")
        self.loopback = _is_loopback(parts.hostname)
        # A proxy, as many institutes have one in the environment, would be asked for its own loopback.
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT,
            trust_env=not self.loopback,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def json(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a request and give the answer's JSON object; {} for an answer without a body.

        Raises
        ------
        BioimgError
            The server's own error, of its own class.
        ServerUnavailableError
            When nobody answers.
        ProtocolError
            When whoever answers is no model server.
        """
        answer = self._send(lambda: self._http.request(method, path, json=body, headers=headers))
        return self._object(answer) if answer.content else {}

    def upload(self, buffer: str, pixels: npt.NDArray[Any]) -> None:
        """Send pixels to a buffer, with their length and CRC-32."""
        size = crc = 0
        for block in blocks(pixels):
            size, crc = size + len(block), zlib.crc32(block, crc)
        headers = {"Content-Length": str(size), "X-CRC32": crc_text(crc), "Content-Type": "application/octet-stream"}

        def request() -> httpx.Response:
            content = (bytes(block) for block in blocks(pixels))
            return self._http.put(f"/v1/buffers/{buffer}", content=content, headers=headers)

        self._send(request)

    def download(self, buffer: str, header: Mapping[str, Any]) -> npt.NDArray[Any]:
        """Get the pixels that the header describes, and check their length and CRC-32."""
        raw = np.empty(byte_size(header), np.uint8)

        def request() -> httpx.Response:
            with self._http.stream("GET", f"/v1/buffers/{buffer}") as answer:
                if answer.is_success:
                    _fill(raw, answer)
                else:
                    answer.read()
            return answer

        self._send(request)
        return shaped(raw, header)

    @contextlib.contextmanager
    def lines(self, path: str) -> Iterator[Iterator[str]]:
        """Open a stream of events and give its lines; the caller sees `httpx.TransportError` when it breaks."""
        with self._http.stream("GET", path) as answer:
            if not answer.is_success:
                answer.read()
                self._check(answer)
            yield answer.iter_lines()

    def _send(self, request: Callable[[], httpx.Response]) -> httpx.Response:
        try:
            try:
                answer = request()
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                # The connection was lost, perhaps only closed for its age: every request may be sent twice.
                answer = request()
        except httpx.TransportError as error:
            raise self.unavailable(error) from error
        self._check(answer)
        return answer

    def unavailable(self, cause: Exception) -> ServerUnavailableError:
        """Say that nobody answers, and what to do."""
        reason = str(cause) or type(cause).__name__
        fix = (
            "Start a server with `bioimg-fiji serve`, or in Python with Client.local(start=True), and run it again."
            if self.loopback
            else "Check the address, and that the server and the tunnel to it run."
        )
        return ServerUnavailableError(f"No model server answers at {self.url} ({reason}).", fix=fix, url=self.url)

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        data = self._object(answer).get("error")
        try:
            error = BioimgError.from_json(data) if isinstance(data, dict) else None
        except TypeError:  # details that are none
            error = None
        raise error or self._foreign(answer)

    def _object(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            data = answer.json()
        except ValueError as error:
            raise self._foreign(answer) from error
        if not isinstance(data, dict):
            raise self._foreign(answer)
        return data

    def _foreign(self, answer: httpx.Response) -> ProtocolError:
        return ProtocolError(
            f"What answers at {self.url} is no model server: status {answer.status_code}, {answer.text[:80]!r}.",
            fix="Check the address.",
        )


def _fill(raw: npt.NDArray[np.uint8], answer: httpx.Response) -> None:
    size = crc = 0
    for part in answer.iter_raw(1 << 20):
        end = size + len(part)
        if end <= raw.size:
            raw[size:end] = np.frombuffer(part, np.uint8)
        size, crc = end, zlib.crc32(part, crc)
    announced = answer.headers.get("x-crc32", "").lower()
    if size != raw.size or announced != crc_text(crc):
        raise ProtocolError(
            f"{size} bytes of pixels with CRC-32 {crc_text(crc)} have come; announced were {raw.size} bytes, "
            f"CRC-32 {announced or '(none)'}.",
            fix="Run the command again.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
