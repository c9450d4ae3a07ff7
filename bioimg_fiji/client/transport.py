"""HTTP as the client speaks it: JSON and pixels, one error class for whatever goes wrong on the way."""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import numpy as np
import numpy.typing as npt

from bioimg_fiji.client import pinned
from bioimg_fiji.client.parts import Part, Ways, cut
from bioimg_fiji.client.patience import Patience
from bioimg_fiji.errors import (
    AuthenticationError,
    BioimgError,
    ParameterError,
    ProtocolError,
    ServerError,
    ServerUnavailableError,
)
from bioimg_fiji.jobs import Job
from bioimg_fiji.remote.named import PATIENCE, is_loopback
from bioimg_fiji.server.coding import ACCEPT, HEADER, Coding
from bioimg_fiji.server.wire import byte_size, crc_text, shaped

T = TypeVar("T")

_TIMEOUT = httpx.Timeout(4.5, connect=3.0, write=60.0)
"""Seconds. A server that lives answers at once, and sends a comment each second while a job runs."""

_STORE = httpx.Timeout(30.0, connect=3.0)
"""Seconds for a part of an image: a slow network has most of it still to carry when this side has sent it."""

_SUM_SECONDS = 600.0
"""Seconds for the sum over a whole image, which a server may have to read from its disk."""

REFUSED_SECONDS = 5.0
"""Seconds for which a server is waited for whose computer says that it has ended."""

_PART = 4 << 20
"""Bytes of a part: what is sent again after a cut."""

_AGAIN = 3
"""So often a part that came damaged is sent once more."""


class Transport:
    """Requests to one server.

    Parameters
    ----------
    url
        Address of the server, without path.
    token
        Its token.
    pin
        Fingerprint of its certificate; "" trusts what the system trusts.
    patience
        How long a lost connection is waited for; None: not at all on this computer, else ten minutes.

    Raises
    ------
    ParameterError
        When the address is none.
    """

    def __init__(self, url: str, token: str, *, pin: str = "", patience: Patience | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ParameterError.of("url", "an address like http://127.0.0.1:40123", url)
        if not token or not all("!" <= letter <= "~" for letter in token):
            raise ParameterError("The token has characters that no token has.", fix="Copy it from the connection file.")
        self.url = url.rstrip("/")
        self.loopback = is_loopback(parts.hostname)
        far = Patience(PATIENCE, REFUSED_SECONDS)
        self.patience = patience or (Patience() if self.loopback else far)
        self._ways = {"PUT": Ways(), "GET": Ways()}
        # A proxy, as many institutes have one in the environment, would be asked for its own loopback.
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT,
            trust_env=not self.loopback,
            verify=pinned.context(pin) if pin else True,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def json(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Send a request and give the answer's JSON object, {} for one without a body; wait for it so many seconds.

        Raises
        ------
        BioimgError
            The server's own error, of its own class.
        ServerUnavailableError
            When nobody answers.
        ProtocolError
            When whoever answers is no model server.
        """
        timeout = _TIMEOUT if seconds is None else httpx.Timeout(seconds, connect=3.0)
        answer = self._send(lambda: self._http.request(method, path, json=body, headers=headers, timeout=timeout))
        return self._object(answer) if answer.content else {}

    def upload(self, buffer: str, pixels: npt.NDArray[Any], job: Job) -> None:
        """Send pixels to a buffer part by part, each with its CRC-32 and that of all so far; go on after a cut."""
        place = crc = 0
        for block in cut(pixels, _PART):
            crc = zlib.crc32(block, crc)
            part = Part(place, len(block), pixels.nbytes, crc)
            self._undamaged(partial(self._put, buffer, part, block, pixels.itemsize), job)
            place += len(block)
            job.progress("Sending the image", place, pixels.nbytes)

    def _undamaged(self, work: Callable[[], T], job: Job, *, kept: bool = False) -> T:
        """Carry a part, again after a cut, and a few times where other bytes have come than were sent."""
        for _ in range(_AGAIN):
            try:
                return self.patience.of(work, job, kept=kept)
            except ProtocolError as error:
                if "received" in error.details:  # it is whole, and not the next
                    raise
        return self.patience.of(work, job, kept=kept)

    def _put(self, buffer: str, part: Part, block: memoryview, itemsize: int) -> None:
        """Send one part; the server takes it once, however often it comes."""
        ways = self._ways["PUT"]
        coding = ways.choose(itemsize)
        start = time.perf_counter()
        body = bytes(block) if coding is None else coding.encode(block)
        headers = part.headers(block) | ({} if coding is None else {HEADER: str(coding)})
        self._send(lambda: self._http.put(f"/v1/buffers/{buffer}", content=body, headers=headers, timeout=_STORE))
        ways.took(coding, len(block), time.perf_counter() - start)

    def download(self, buffer: str, header: Mapping[str, Any], job: Job, *, kept: bool = False) -> npt.NDArray[Any]:
        """Get the pixels that the header describes part by part, and check each and all; go on after a cut.

        Parameters
        ----------
        kept
            Whether a server that is started again has them too.

        Raises
        ------
        ProtocolError
            When they are not those that the server has.
        """
        raw = np.empty(byte_size(header), np.uint8)
        itemsize = np.dtype(header["dtype"]).itemsize
        crc = place = 0
        while place < raw.size:
            size = min(_PART, raw.size - place)
            part = Part(place, size, raw.size, 0)
            data = self._undamaged(partial(self._get, buffer, part, itemsize), job, kept=kept)
            crc = zlib.crc32(data, crc)
            raw[place : place + size] = np.frombuffer(data, np.uint8)
            place += size
            job.progress("Receiving the result", place, raw.size)
        if raw.size > _PART:
            self._check_whole(buffer, raw.size, crc, job, kept=kept)
        return shaped(raw, header)

    def _check_whole(self, buffer: str, size: int, crc: int, job: Job, *, kept: bool) -> None:
        path = f"/v1/buffers/{buffer}/state"
        state = self.patience.of(lambda: self.json("GET", path, seconds=_SUM_SECONDS), job, kept=kept)
        if state.get("size") != size or state.get("crc32") != crc_text(crc):
            raise ProtocolError(
                f"{size} bytes of pixels with CRC-32 {crc_text(crc)} have come; the server has "
                f"{state.get('size')} bytes, CRC-32 {state.get('crc32')}.",
                fix="Run the command again.",
            )

    def _get(self, buffer: str, part: Part, itemsize: int) -> bytes:
        """Get one part; a damaged one is a `ProtocolError`."""
        ways = self._ways["GET"]
        coding = ways.choose(itemsize)
        headers = {"Range": part.range} | ({} if coding is None else {ACCEPT: str(coding)})
        start = time.perf_counter()
        answer = self._send(lambda: self._http.get(f"/v1/buffers/{buffer}", headers=headers, timeout=_STORE))
        encoded = Coding.parse(answer.headers.get(HEADER, ""))
        data = answer.content if encoded is None else encoded.decode(answer.content, part.size)
        ways.took(coding, part.size, time.perf_counter() - start)
        announced = answer.headers.get("x-crc32", "").lower()
        if answer.status_code != 206 or len(data) != part.size or announced != crc_text(zlib.crc32(data)):
            raise ProtocolError(
                f"{len(data)} bytes of pixels with CRC-32 {crc_text(zlib.crc32(data))} have come; announced were "
                f"{part.size} bytes, CRC-32 {announced or '(none)'}.",
                fix="Run the command again.",
            )
        return data

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
                answer = _whole(request)
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                # The connection was lost, perhaps only closed for its age: every request may be sent twice.
                answer = _whole(request)
        except httpx.TransportError as error:
            raise self.unavailable(error) from error
        self._check(answer)
        return answer

    def unavailable(self, cause: Exception) -> ServerError:
        """Say that nobody answers, or that another one does than was pinned, and what to do."""
        other = pinned.other_certificate(cause)
        if other is not None:
            return AuthenticationError(
                f"The server at {self.url} is not the one that is expected: {other}.",
                fix="Ask who runs it for its fingerprint, and add it anew: `bioimg-fiji servers add NAME URL "
                "--fingerprint ...`. If nobody has changed its certificate, somebody stands between.",
                url=self.url,
            )
        reason = str(cause) or type(cause).__name__
        fix = (
            "Start a server with `bioimg-fiji serve`, or in Python with Client.local(start=True), and run it again."
            if self.loopback
            else "Check the address, and that the server and the tunnel to it run."
        )
        text = f"No model server answers at {self.url} ({reason})."
        refused = not self.loopback and _refused(cause)  # at the near end of a tunnel it is the network that is cut
        return ServerUnavailableError(text, fix=fix, url=self.url, refused=refused)

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


def _whole(request: Callable[[], httpx.Response]) -> httpx.Response:
    """Send a request; one that the server has not got to its end in time was lost on its way."""
    answer = request()
    if answer.status_code == httpx.codes.REQUEST_TIMEOUT:
        raise httpx.RemoteProtocolError("the request has not come to its end there in time")
    return answer


def _refused(error: BaseException | None) -> bool:
    """Whether the other computer has said that nobody listens there."""
    while error is not None:
        if isinstance(error, ConnectionRefusedError):
            return True
        error = error.__cause__ or error.__context__
    return False
