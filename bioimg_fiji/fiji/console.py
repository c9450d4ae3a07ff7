"""What ImageJ prints: headless, print() and IJ.log go to Java's System.out, and the rest of a failure to System.err.

With windows, print() and IJ.log write into the Log window, which is read from time to time.
"""

from __future__ import annotations

import _thread
import codecs
import logging
import sys
import threading
from collections import deque
from typing import Any, TextIO

from bioimg_fiji.fiji.java import detach, jclass

KEPT = 10_000
"""Pieces of text that the log keeps, so that a session of days does not grow."""

_AGAIN_SECONDS = 0.05
_log = logging.getLogger("bioimg_fiji.fiji.java")


class Console:
    """Takes Java's System.out and System.err: kept as a log; the first also goes to Python's stdout, as it comes."""

    def __init__(self) -> None:
        self.pieces: deque[str] = deque(maxlen=KEPT)
        self.printed = 0
        system = jclass("java.lang.System")
        self._before = (system.out, system.err)
        self._channels = (_Channel(self._out), _Channel(self._err))
        self._streams = (_stream(self._channels[0]), _stream(self._channels[1]))
        system.setOut(self._streams[0])
        system.setErr(self._streams[1])

    def text(self) -> str:
        """Give what was printed, the oldest part left out when it is very long."""
        return "".join(self.pieces)

    def last(self, since: int) -> str:
        """Give the last text that was printed after `printed` was `since`, or ""."""
        count = min(self.printed - since, len(self.pieces))
        texts = [piece.strip() for piece in list(self.pieces)[len(self.pieces) - count :]]
        return next((text for text in reversed(texts) if text), "")

    def close(self) -> None:
        """Give Java its own streams back, unless somebody else has put his there meanwhile (SciJava does)."""
        system = jclass("java.lang.System")
        system.out.flush()
        system.err.flush()
        if system.out == self._streams[0]:
            system.setOut(self._before[0])
        if system.err == self._streams[1]:
            system.setErr(self._before[1])

    def _keep(self, text: str) -> None:
        self.pieces.append(text)
        self.printed += 1

    def _out(self, text: str) -> None:
        self._keep(text)
        stdout: TextIO | None = sys.stdout
        if stdout is not None:
            stdout.write(text)
            stdout.flush()

    def _err(self, text: str) -> None:
        # The message itself comes out as an exception: here it would be told twice.
        self._keep(text)
        if text.strip():
            _log.info("%s", text.rstrip())


class LogWindow:
    """Writes to Python's stdout, as it comes, what ImageJ writes into its Log window."""

    EVERY = 0.2
    """Seconds between two looks."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._shown = str(jclass("ij.IJ").getLog() or "")
        self._thread = threading.Thread(target=self._follow, name="bioimg-log-window", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Show what is left."""
        self._ended.set()
        self._thread.join()
        self._show()

    def _follow(self) -> None:
        while not self._ended.wait(self.EVERY):
            self._show()
        detach()

    def _show(self) -> None:
        text = str(jclass("ij.IJ").getLog() or "")
        # A window that was cleared or closed meanwhile begins anew.
        new = text.removeprefix(self._shown)
        self._shown = text
        stdout: TextIO | None = sys.stdout
        if new and stdout is not None:
            stdout.write(new)
            stdout.flush()


class _Channel:
    """A java.nio.channels.WritableByteChannel: makes a stream of Python's without a Java class for it."""

    def __init__(self, write: Any) -> None:
        self._write = write
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, buffer: Any) -> int:
        """Take what Java prints. No error may leave this: PrintStream would drop all that comes later."""
        count = 1  # where nothing was taken, Java asks again
        try:
            count = int(buffer.remaining())
            data = jclass("java.nio.ByteBuffer").allocate(count)
            data.put(buffer)
            self._write(self._decoder.decode(bytes(memoryview(data.array()).cast("B"))))
        except KeyboardInterrupt:
            # It would be lost on its way through Java: it comes again.
            threading.Timer(_AGAIN_SECONDS, _thread.interrupt_main).start()
        except Exception:  # noqa: BLE001 - a closed pipe or stdout is no reason for ImageJ to fail
            _log.debug("what ImageJ printed could not be shown", exc_info=True)
        return count

    def isOpen(self) -> bool:  # noqa: N802 - Java's name
        return True

    def close(self) -> None:
        return None


def _stream(channel: _Channel) -> Any:
    import jpype

    proxy = jpype.JProxy("java.nio.channels.WritableByteChannel", inst=channel)
    output = jclass("java.nio.channels.Channels").newOutputStream(proxy)
    return jclass("java.io.PrintStream")(output, True, "UTF-8")
