"""Who looks at the dashboard: one-time codes, and the browsers that have used one.

A session is two secrets: a cookie, which no script can read, and a key that the page keeps and sends in a header.
Cookies do not know of ports: another program's page on this computer is sent ours, but has not the key. Only digests
are kept here, so that no dump of this process gives a session away.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

CODE_SECONDS = 120.0
"""How long a one-time code lives."""

SESSION_SECONDS = 12 * 3600.0
"""How long a browser stays logged in."""

COOKIE = "bioimg-fiji"
KEY_HEADER = "X-BioImg-Session"

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""No letters that look like others: a code may be typed from another screen."""
_CODE_LETTERS = 12
_MOST = 64
_Kept = TypeVar("_Kept")


class Sessions:
    """The codes and sessions of one server.

    Parameters
    ----------
    clock
        Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._codes: dict[bytes, float] = {}
        self._sessions: dict[bytes, tuple[bytes, float]] = {}

    def new_code(self) -> str:
        """Make a code of 60 random bits, XXXX-XXXX-XXXX, that lives `CODE_SECONDS` and works once."""
        letters = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LETTERS))
        self._codes = _newest({code: end for code, end in self._codes.items() if end > self._clock()})
        self._codes[_digest(letters)] = self._clock() + CODE_SECONDS
        return "-".join(letters[start : start + 4] for start in range(0, _CODE_LETTERS, 4))

    def open(self, code: str) -> tuple[str, str] | None:
        """Turn a code into a session's cookie and key; None where it is wrong, used or too old.

        Wrong ones are not counted: anybody can send some, and would keep the owner of a right one out. Who sends 10,000
        a second for as long as a code lives finds it with a chance of 1 in 10^12.
        """
        end = self._codes.pop(_digest(code.upper().replace("-", "").strip()), 0.0)
        if end <= self._clock():
            return None
        cookie, key = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._sessions = _newest({each: kept for each, kept in self._sessions.items() if kept[1] > self._clock()})
        self._sessions[_digest(cookie)] = (_digest(key), self._clock() + SESSION_SECONDS)
        return cookie, key

    def knows(self, cookie: str, key: str) -> bool:
        """Whether both secrets are those of a session that has not ended."""
        expected, end = self._sessions.get(_digest(cookie), (b"", 0.0))
        return secrets.compare_digest(expected, _digest(key)) and end > self._clock()

    def close(self, cookie: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(cookie), None)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _newest(kept: dict[bytes, _Kept]) -> dict[bytes, _Kept]:
    return dict(list(kept.items())[-_MOST + 1 :])
