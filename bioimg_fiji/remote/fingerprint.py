"""SHA-256 fingerprints of certificates: what a client pins. Standard library only."""

from __future__ import annotations

import hashlib
import re

from bioimg_fiji.errors import ParameterError

_DIGITS = 64


def of(certificate: bytes) -> str:
    """Give the fingerprint of a certificate (DER), as openssl and browsers show it: AB:CD:..."""
    digits = hashlib.sha256(certificate).hexdigest().upper()
    return ":".join(digits[place : place + 2] for place in range(0, _DIGITS, 2))


def parse(text: str) -> str:
    """Give a fingerprint in the one form, with or without colons and blanks before.

    Raises
    ------
    ParameterError
        When it is none.
    """
    digits = re.sub(r"[\s:]", "", text.strip().removeprefix("sha256").removeprefix("SHA256")).upper()
    if not re.fullmatch(f"[0-9A-F]{{{_DIGITS}}}", digits):
        raise ParameterError.of(
            "fingerprint",
            "a SHA-256 fingerprint, 64 hex digits",
            text,
            fix="`bioimg-fiji serve` prints it at its start.",
        )
    return ":".join(digits[place : place + 2] for place in range(0, _DIGITS, 2))
