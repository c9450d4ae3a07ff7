"""The server's certificate: given by the user, or made here and signed by itself, for clients that pin it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bioimg_fiji.errors import ParameterError, storage_error
from bioimg_fiji.remote import fingerprint

_YEARS = 10
"""A pinned certificate is trusted for what it is and not for its date; it has to have one all the same."""


@dataclass(frozen=True)
class Identity:
    """Certificate and key of a server, as files, and what a client pins."""

    certificate: Path
    key: Path
    fingerprint: str


def load(certificate: Path, key: Path) -> Identity:
    """Check that certificate and key (PEM) can be read and belong together.

    Raises
    ------
    ParameterError
        When they cannot be used; or when others than their owner may read the key.
    """
    _check_private(key)
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password=_no_password)
        text = certificate.read_text("ascii")
        first = text[text.index("-----BEGIN CERTIFICATE-----") :]
        first = first[: first.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----"
        return Identity(certificate, key, fingerprint.of(ssl.PEM_cert_to_DER_cert(first)))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ParameterError(
            f"The certificate {certificate} with the key {key} cannot be used: {error}.",
            fix="Give both as PEM files that belong together, the key without a password; or use --self-signed.",
            field="certificate",
        ) from error


def self_signed(folder: Path, names: Iterable[str]) -> Identity:
    """Give the certificate of the folder, made and signed by itself where there is none, with its key of mode 0600.

    Parameters
    ----------
    folder
        Where it is kept: a client that has pinned it finds the same one after each restart.
    names
        Host names and addresses that it is made for.

    Raises
    ------
    StorageError
        When it cannot be written.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not (certificate.exists() and key.exists()):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            made, secret = _make(sorted(set(names)))
            _write(key, secret, 0o600)
            _write(certificate, made, 0o644)
        except OSError as error:
            raise storage_error("Writing the certificate to", folder, error) from error
    return load(certificate, key)


def _make(names: list[str]) -> tuple[bytes, bytes]:
    """Give a new certificate and its key, both PEM (RFC 5280; the names as subject alternative names)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bioimg-fiji server")])
    now = dt.datetime.now(dt.UTC)
    alternatives: list[x509.GeneralName] = []
    for name in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            alternatives.append(x509.DNSName(name))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))  # clocks differ
        .not_valid_after(now + dt.timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), secret


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole or not at all, with its mode from the first byte on."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _check_private(key: Path) -> None:
    if os.name == "posix" and key.exists() and key.stat().st_mode & 0o077:
        raise ParameterError(
            f"The key {key} can be read by others than its owner.", fix=f"Run `chmod 600 {key}`.", field="key"
        )


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal for the password of a key."""
    return ""
