"""A network in between that can be cut: it forwards, or it resets all connections, or it swallows whatever comes."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType
from typing import Self

CHUNK = 1 << 16


class Cutter:
    """Forwards connections to a server on a port of its own, in a thread.

    `cut("reset")` closes all and refuses new ones; `cut("silence")` keeps them and carries nothing, new ones included,
    as a network does whose cable was pulled. `mend` forwards again: what was silent is closed.
    """

    def __init__(self) -> None:
        self._target = ("127.0.0.1", 0)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._state = "open"
        self._plan: list[tuple[int, str, float]] = []
        self._passed = 0
        self.cuts = 0
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self._thread(self._accept)

    def lead_to(self, url: str) -> str:
        """Say where it leads, and give the address at this end. The server has to allow `host`."""
        scheme, _, place = url.partition("://")
        host, _, port = place.partition(":")
        self._target = (host, int(port))
        return f"{scheme}://{self.host}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._drop()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(5)

    def cut(self, way: str) -> None:
        """Cut it, by "reset" or by "silence"."""
        self._state = way
        self.cuts += 1
        if way == "reset":
            self._drop()

    def cut_at(self, sizes: list[int], way: str, seconds: float) -> None:
        """Cut it for so long when so many bytes have passed in all, at each of these sizes."""
        self._plan = [(size, way, seconds) for size in sizes]

    def mend(self) -> None:
        """Carry again."""
        if self._state == "silence":
            self._drop()
        self._state = "open"

    def _thread(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _drop(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for each in pair:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if self._state == "reset":
                near.close()
                continue
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            pair = (near, far)
            with self._lock:
                self._pairs.add(pair)
            self._thread(self._carry, pair)

    def _carry(self, pair: tuple[socket.socket, socket.socket]) -> None:
        near, far = pair
        with near, far, selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while not self._over.is_set():
                for key, _ in selector.select(0.2):
                    while self._state == "silence" and not self._over.wait(0.02):
                        pass
                    self._keep_to_plan()
                    try:
                        data = key.fileobj.recv(CHUNK)  # type: ignore[union-attr]
                        key.data.sendall(data)
                        self._passed += len(data)
                    except OSError:
                        return
                    if not data:
                        return

    def _keep_to_plan(self) -> None:
        with self._lock:
            due = self._plan.pop(0) if self._plan and self._passed >= self._plan[0][0] else None
        if due is not None:
            self.cut(due[1])
            threading.Timer(due[2], self.mend).start()
