"""TLS with one certificate: the one whose fingerprint the user has noted, and no other."""

from __future__ import annotations

import hmac
import ssl
from typing import Any, NoReturn

from bioimg_fiji.remote import fingerprint


class OtherCertificateError(ssl.SSLError):
    """The server shows another certificate than the pinned one."""

    def __init__(self, found: str) -> None:
        super().__init__(f"its certificate has the fingerprint {found}")
        self.found = found


class _Pinned(ssl.SSLContext):
    """A context that asks after the handshake, before anything is sent, who is there."""

    pin: str

    def wrap_socket(self, *arguments: Any, **keys: Any) -> ssl.SSLSocket:
        wrapped = super().wrap_socket(*arguments, **keys)
        found = fingerprint.of(wrapped.getpeercert(binary_form=True) or b"")
        if not hmac.compare_digest(found, self.pin):
            wrapped.close()
            raise OtherCertificateError(found)
        return wrapped

    def wrap_bio(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse TLS within TLS (a proxy that is spoken to by https): it would not be asked who is there."""
        raise ssl.SSLError("a pinned server is not reached through a proxy by https")


def context(pin: str) -> ssl.SSLContext:
    """Give a context that accepts exactly the certificate of that fingerprint, whoever has signed it.

    Names and dates do not matter: the certificate is known.
    """
    made = _Pinned(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.pin = pin
    return made


def other_certificate(error: BaseException | None) -> OtherCertificateError | ssl.SSLCertVerificationError | None:
    """Give the error of a certificate among the causes of another error."""
    while error is not None:
        if isinstance(error, OtherCertificateError | ssl.SSLCertVerificationError):
            return error
        error = error.__cause__ or error.__context__
    return None
