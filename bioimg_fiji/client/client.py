"""The client: commands of a server, called like functions."""

from __future__ import annotations

import contextlib
import difflib
import secrets
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bioimg_fiji import settings
from bioimg_fiji.client import local
from bioimg_fiji.client.patience import Patience
from bioimg_fiji.client.remote_job import RemoteJob
from bioimg_fiji.client.transport import REFUSED_SECONDS, Transport
from bioimg_fiji.commands import Result
from bioimg_fiji.commands.parameters import LIST, SERVER, several
from bioimg_fiji.errors import BioimgError, ParameterError, ServerBusyError, UnknownCommandError, UnknownJobError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.progress import watched
from bioimg_fiji.remote import named
from bioimg_fiji.remote.fingerprint import parse as parse_fingerprint
from bioimg_fiji.remote.named import LOCAL
from bioimg_fiji.server.wire import plain, write_pixels

LEASE_SECONDS = 10.0
"""A blocking call's job is cancelled by the server when this program has been gone for so long."""

_POLL_SECONDS = 0.1

_SENDINGS = 3
"""How often the images of a job are sent again to a server that was started anew while they came."""

_KEEPING_SECONDS = 120.0
"""How long a server may take to copy the pixels of a job that it keeps to a disk."""

MACHINE_SECONDS = 75.0
"""How long a server may look for its devices."""

LEASE_BEYOND = 300.0
"""Seconds by which the lease is longer than a lost connection is waited for."""


class Client:
    """A model server, its commands and jobs.

    Without arguments it is the server of this computer that the connection file names, and pixels go through files in
    memory. With an address and a token it may be any other; pixels then go in requests, their CRC-32 checked.
    Use it as a context manager, or `close` it; the server and its jobs go on.

    Parameters
    ----------
    url, token
        Address and token of the server, as its connection file has them; both or none.
    fingerprint
        SHA-256 of its certificate, which has to be this very one; "" trusts what the system trusts.
    patience
        Seconds for which a lost connection is waited for while the server goes on; None: ten minutes, but not at all
        for an address of this computer.

    Raises
    ------
    ServerUnavailableError
        When no server answers.
    AuthenticationError
        When the token is wrong, or the certificate another one.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        token: str | None = None,
        fingerprint: str = "",
        patience: float | None = None,
    ) -> None:
        if (url is None) != (token is None):
            raise ParameterError("A server elsewhere needs both url and token.", fix="Its connection file has them.")
        self._by_file = url is None
        self._commands: list[dict[str, Any]] | None = None
        self.name = LOCAL
        self._name = secrets.token_hex(8)  # jobs are shared out among clients by it
        if url is None or token is None:
            self._transport = local.find(settings.connection_file())
            return
        pin = parse_fingerprint(fingerprint) if fingerprint else ""
        waits = None if patience is None else Patience(patience, min(patience, REFUSED_SECONDS))
        self._transport = Transport(url, token, pin=pin, patience=waits)
        try:
            local.check_protocol(self._transport)
        except BaseException:
            self.close()
            raise

    @classmethod
    def local(cls, *, start: bool = False, idle_exit: float = 600.0) -> Client:
        """Give a client of this computer's server.

        Parameters
        ----------
        start
            Whether to start a server if none runs, and wait for it.
        idle_exit
            Seconds without request and job after which a started server ends itself.

        Raises
        ------
        ServerUnavailableError
            When none runs and none is to be started.
        ServerError
            When it cannot be started.
        """
        if start:
            local.start(settings.connection_file(), idle_exit)
        return cls()

    @classmethod
    def named(cls, name: str) -> Client:
        """Give a client of a named server; "local" is this computer's, started if none runs.

        Raises
        ------
        ParameterError
            When there is no such name, or its token would go over the network unencrypted.
        ServerUnavailableError, AuthenticationError, ProtocolError
            When it cannot be used.
        """
        if name == LOCAL:
            return cls.local(start=True)
        entry = named.usable(name)
        client = cls(url=entry.url, token=entry.token, fingerprint=entry.fingerprint, patience=named.PATIENCE)
        client.name = name
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._transport.url

    def info(self) -> dict[str, Any]:
        """Say who answers: protocol, version, pid, and how many jobs run and wait."""
        return self._transport.json("GET", "/v1/info")

    def machine(self) -> dict[str, Any]:
        """Say what the server computes with: Python, devices, memory. Takes seconds at the first time."""
        return self._transport.json("GET", "/v1/machine", seconds=MACHINE_SECONDS)

    def commands(self) -> list[dict[str, Any]]:
        """Describe all commands: id, title, menu, help and JSON Schema (docs/protocol.md, "Commands")."""
        if self._commands is None:
            self._commands = self._transport.json("GET", "/v1/commands")["commands"]
        return self._commands

    def shutdown(self) -> None:
        """End the server, and the jobs that it runs."""
        self._transport.json("POST", "/v1/shutdown", {})

    def run(self, command: str, image: Image | None = None, /, *, job: Job | None = None, **keys: Any) -> Result:
        """Run a command and wait for its result.

        Parameters
        ----------
        command
            Id or title.
        image
            The command's first image input.
        job
            Gets progress, notes, and curves and preview where it is watched; cancelling it cancels the command,
            finishing it ends the command early with the best result so far.
        keys
            The command's other parameters, by the names that a macro uses. Further image inputs are given by their
            key; those that take any number of images by a list of them.

        Raises
        ------
        BioimgError
            Whatever the same call in this process would raise.
        ServerUnavailableError
            When the server ends meanwhile.
        """
        elsewhere = self._elsewhere(keys)
        if elsewhere is not None:
            with elsewhere as client:
                return client.run(command, image, job=job, **keys)
        patience = self._transport.patience.seconds
        lease = patience + LEASE_BEYOND if patience else LEASE_SECONDS
        with watched(job) as watcher:
            remote = self._submit(command, image, keys, lease, watcher)
            try:
                return remote.result(watcher)
            finally:
                with contextlib.suppress(BioimgError):  # a server that is gone has nothing to forget
                    remote.forget()

    def submit(self, command: str, image: Image | None = None, /, **keys: Any) -> RemoteJob:
        """Start a command and give its job at once; parameters as for `run`.

        The job goes on when this program ends; `job(id)` finds it again. Its result is kept for a day, or until
        `forget`. Where too many jobs wait on the server already, it is asked again until it takes this one.
        """
        return self._submit(command, image, keys, None, Job())

    def job(self, id_: str) -> RemoteJob:
        """Give the job of that id, perhaps of another program."""
        return RemoteJob(self._transport, id_)

    def _elsewhere(self, keys: dict[str, Any]) -> Client | None:
        """Give a client of the server that `server` names, where it is another; the key is taken out."""
        name = str(keys.pop(SERVER, self.name)) or LOCAL
        return None if name == self.name else Client.named(name)

    def _submit(
        self, command: str, image: Image | None, keys: Mapping[str, Any], lease: float | None, job: Job
    ) -> RemoteJob:
        patience = self._transport.patience
        described = patience.of(lambda: self._find(command), job)
        images, parameters = self._sort(described, image, keys)
        if self.name != LOCAL:
            parameters[SERVER] = self.name
        request: dict[str, Any] = {
            "command": described["id"],
            "parameters": parameters,
            "images": {},
            "local": self._by_file,
            "lease": lease,
            "client": self._name,
        }
        for again in range(_SENDINGS, -1, -1):
            try:
                return self._sent(request, images, lease, job)
            except UnknownJobError:  # the server was started anew meanwhile, without the images that had come
                if not again or not patience.seconds:
                    raise
        raise AssertionError

    def _sent(self, request: dict[str, Any], images: Mapping[str, Image], lease: float | None, job: Job) -> RemoteJob:
        """Send the images, and then the request for the job."""
        patience = self._transport.patience
        buffers: list[str] = []
        try:
            for name, each in images.items():
                request["images"][name] = {"header": plain(each.header()), "buffer": self._send(each, buffers, job)}
            # The same key again gives the same job: a request whose answer was lost starts no second one.
            headers = {"Idempotency-Key": secrets.token_hex(16)}
            seconds = None if lease == LEASE_SECONDS else _KEEPING_SECONDS

            def submit() -> RemoteJob:
                post = partial(self._transport.json, "POST", "/v1/jobs", request, headers, seconds=seconds)
                made = patience.of(post, job)
                return RemoteJob(self._transport, made["id"])

            while True:
                try:
                    return submit()
                except ServerBusyError as busy:
                    _wait(busy, job)
        except BaseException:
            for buffer in buffers:
                with contextlib.suppress(BioimgError):
                    self._transport.json("DELETE", f"/v1/buffers/{buffer}")
            raise

    def _send(self, image: Image, buffers: list[str], job: Job) -> str:
        patience = self._transport.patience
        wish = {"size": image.pixels.nbytes, "local": self._by_file, "lease": patience.seconds + LEASE_BEYOND}
        buffer = patience.of(lambda: self._transport.json("POST", "/v1/buffers", wish), job)
        id_: str = buffer["id"]
        buffers.append(id_)
        if self._by_file:
            write_pixels(Path(buffer["path"]), image.pixels, create=False, checked=False)
        else:
            self._transport.upload(id_, image.pixels, job)
        return id_

    def _names(self) -> dict[str, dict[str, Any]]:
        names: dict[str, dict[str, Any]] = {}
        for each in self.commands():
            names |= {each["id"]: each, each["title"].rstrip("."): each}
        return names

    def _find(self, name: str) -> dict[str, Any]:
        names = self._names()
        if name.rstrip(".") not in names:
            self._commands = None  # a model may have been pinned since
            names = self._names()
        if name.rstrip(".") in names:
            return names[name.rstrip(".")]
        near = difflib.get_close_matches(name, names, n=2)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        known = ", ".join(each["id"] for each in self.commands())
        raise UnknownCommandError(f"There is no command {name!r}.", fix=f"{hint}The commands are {known}.")

    def _sort(
        self, command: Mapping[str, Any], image: Image | None, keys: Mapping[str, Any]
    ) -> tuple[dict[str, Image], dict[str, Any]]:
        """Give the image inputs and the JSON parameters of a call."""
        properties = command["schema"]["properties"]
        images: dict[str, Image] = {}
        rest: dict[str, Any] = {}
        for name, value in keys.items():
            found = _images(name, value, properties.get(name, {}))
            images |= found
            if not found and value is not None:
                rest[name] = value
        if image is not None:
            first = next((name for name, entry in properties.items() if entry.get("x-image")), None)
            if first is None or first in keys:
                what = "takes no image" if first is None else f"is given its {first!r} twice"
                raise ParameterError(f"{command['id']} {what}.", fix="Leave the image out.")
            images[first] = image
        return images, {name: self._parameter(value, properties.get(name, {})) for name, value in rest.items()}

    def _parameter(self, value: Any, entry: Mapping[str, Any]) -> Any:
        """Give a value as JSON has it; a path on this computer as the server, in a folder of its own, finds it."""
        path = isinstance(value, Path) or (isinstance(value, str) and value and "x-widget" in entry)
        if path and self._by_file and entry.get("x-widget") != "password":
            return _complete(str(value), entry.get("x-widget", ""))
        return str(value) if isinstance(value, Path) else plain(value)


def _complete(value: str, widget: str) -> str:
    """Complete a path, or those of a list; the names of the store's models stay."""
    if widget == "models":
        return LIST.join(_complete(each, "model") for each in several(value))
    place = Path(value)
    return value if widget == "model" and not place.exists() else str(place.absolute())


def _wait(busy: ServerBusyError, job: Job) -> None:
    """Wait as long as the server asks for; raise `JobCancelledError` when the job is cancelled meanwhile."""
    job.progress("Waiting: the model server has too many jobs")
    end = time.monotonic() + float(busy.details.get("retry_after", 1))
    while time.monotonic() < end:
        job.check()
        time.sleep(_POLL_SECONDS)


def _images(name: str, value: Any, entry: Mapping[str, Any]) -> dict[str, Image]:
    """Give the images of a key, by the names under which they are sent."""
    several, takes_several = isinstance(value, list | tuple), "x-images" in entry
    given = list(value) if several else [value]
    found = [each for each in given if isinstance(each, Image)]
    if several and (len(found) < len(given) if takes_several else found):
        expected = "a list of images" if takes_several else "one value, not a list"
        got = ", ".join(type(each).__name__ for each in given)
        raise ParameterError.of(name, expected, got, fix="Open files with read_image, wrap arrays with from_array.")
    if takes_several:
        return {f"{name}.{number}": each for number, each in enumerate(found)}
    return {name: found[0]} if found else {}


def connect(name: str) -> Client:
    """Give a client of a named server, see `Client.named`."""
    return Client.named(name)
