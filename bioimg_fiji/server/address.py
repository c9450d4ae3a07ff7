"""Where the server is reached: its address, the names that clients may call it by, and what an open one must have."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

import psutil

from bioimg_fiji import settings
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.remote import token
from bioimg_fiji.remote.named import is_loopback
from bioimg_fiji.server import tls
from bioimg_fiji.server.options import ServeOptions
from bioimg_fiji.server.tls import Identity


@dataclass(frozen=True)
class Access:
    """Who may reach the server and how: names of its own, its certificate (None: plain HTTP), its token."""

    names: frozenset[str]
    identity: Identity | None
    token: str

    def url(self, host: str, port: int) -> str:
        """Give the address for clients on this computer."""
        scheme = "http" if self.identity is None else "https"
        here = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not listened on
        return f"{scheme}://{bracketed(here)}:{port}"

    def hosts(self, port: int) -> frozenset[str]:
        """Give the values of Host that are answered, in lower case, as clients send them.

        A name with a port of its own stands for a tunnel's other end. The scheme's default port is one that clients
        leave out.
        """
        left_out = ":80" if self.identity is None else ":443"
        full = {(name if _has_port(name) else f"{bracketed(name)}:{port}").lower() for name in self.names}
        return frozenset(full | {host.removesuffix(left_out) for host in full})


def prepare(options: ServeOptions) -> Access:
    """Give what the server needs at this address.

    Raises
    ------
    ParameterError
        When others can reach the address, and certificate or token are missing.
    StorageError
        When they cannot be written.
    """
    names = _names(options)
    loopback = is_loopback(options.host)
    if (options.certificate is None) != (options.key is None):
        raise ParameterError("A certificate needs its key.", fix="Give both --certificate and --key, or --self-signed.")
    secret = token.given(options.token_file)
    os.environ.pop(token.VARIABLE, None)  # the workers, and whatever they start, are not to inherit it
    missing = [] if loopback else _missing(options, secret)
    if missing:
        raise ParameterError.of(
            "host",
            f"a loopback address where {' and '.join(what for what, _ in missing)} missing",
            options.host,
            fix=f"Add {' and '.join(how for _, how in missing)}. Or listen on 127.0.0.1, and reach it by an SSH tunnel "
            "(docs/remote.md).",
        )
    return Access(names, _identity(options, names), secret or token.new())


def bracketed(name: str) -> str:
    """Write an IPv6 address as an address line has it."""
    return f"[{name}]" if ":" in name else name


def _missing(options: ServeOptions, secret: str | None) -> list[tuple[str, str]]:
    """Give what an open server has not, and how it gets it."""
    found = []
    if options.certificate is None and not options.self_signed:
        found.append(("TLS is", "--self-signed (or --certificate and --key)"))
    if secret is None:
        found.append(("a token is", f"--token-file FILE (made where there is none; or {token.VARIABLE})"))
    return found


def _identity(options: ServeOptions, names: frozenset[str]) -> Identity | None:
    if options.certificate is not None and options.key is not None:
        return tls.load(options.certificate, options.key)
    if options.self_signed:
        return tls.self_signed(settings.home_folder() / "tls", (_without_port(name) for name in names))
    return None


def _names(options: ServeOptions) -> frozenset[str]:
    names = {"127.0.0.1", "localhost", *options.allowed_hosts}
    if options.host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        return frozenset({*names, options.host})
    addresses = [each.address for known in psutil.net_if_addrs().values() for each in known if _is_ip(each.family)]
    return frozenset({*names, socket.gethostname(), socket.getfqdn(), *(each.split("%")[0] for each in addresses)})


def _is_ip(family: int) -> bool:
    return family in (socket.AF_INET, socket.AF_INET6)


def _has_port(name: str) -> bool:
    return name.startswith("[") or name.count(":") == 1


def _without_port(name: str) -> str:
    return name.rpartition(":")[0].strip("[]") if _has_port(name) else name
