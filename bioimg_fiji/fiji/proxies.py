"""The way to the internet through a proxy: what one side has been told, Python or Java, the other one is told too.

Python's side (HTTP_PROXY, HTTPS_PROXY, NO_PROXY, or the system's settings) fetches jars; Java's (-Dhttps.proxyHost and
so on) is that of Fiji's update sites and of plugins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

from bioimg_fiji.fiji.undo import set_variable

_PORTS = {"http": 80, "https": 443}
_LOCAL = ("localhost", "127.*", "[::1]")


def java_options(given: str) -> list[str]:
    """Give Java's options for the proxies that Python knows; none for a scheme that `given` options speak of."""
    proxies = getproxies()
    options = []
    for scheme in ("http", "https"):
        address = proxies.get(scheme, "")
        proxy = urlsplit(address if "//" in address else f"//{address}")
        if not proxy.hostname or f"-D{scheme}.proxyHost" in given or proxy.scheme.startswith("socks"):
            continue
        options.append(f"-D{scheme}.proxyHost={proxy.hostname}")
        options.append(f"-D{scheme}.proxyPort={proxy.port or _PORTS['https' if proxy.scheme == 'https' else 'http']}")
        if proxy.username:  # no standard of Java's: Fiji's updater reads these
            options.append(f"-D{scheme}.proxyUser={unquote(proxy.username)}")
            options.append(f"-D{scheme}.proxyPassword={unquote(proxy.password or '')}")
    if options and "-Dhttp.nonProxyHosts" not in given:
        options.append(f"-Dhttp.nonProxyHosts={'|'.join(_direct(proxies.get('no', '')))}")
    return options


@contextmanager
def for_python(given: str) -> Iterator[None]:
    """Let Python use the proxies of Java's `given` options meanwhile, where it has been told of none."""
    known = getproxies()
    # NB: not a copy of os.environ: on Windows it finds a variable whatever its case, and a copy does not.
    before = {name: os.environ.get(name) for name in ("http_proxy", "https_proxy", "no_proxy")}
    for scheme in ("http", "https"):
        proxy = _java_proxy(given, scheme)
        if proxy and scheme not in known:
            os.environ[f"{scheme}_proxy"] = proxy
            if "no" not in known:
                hosts = _option(given, "http.nonProxyHosts") or "|".join(_LOCAL)
                os.environ["no_proxy"] = ",".join(host.removeprefix("*") for host in hosts.split("|"))
    try:
        yield
    finally:
        for name, value in before.items():
            set_variable(name, value)


def _java_proxy(given: str, scheme: str) -> str:
    host = _option(given, f"{scheme}.proxyHost")
    if not host:
        return ""
    return f"http://{host}:{_option(given, f'{scheme}.proxyPort') or _PORTS[scheme]}"


def _option(given: str, name: str) -> str:
    found = re.findall(rf"-D{re.escape(name)}=(\S+)", given)
    return found[-1].strip("\"'") if found else ""


def _direct(no_proxy: str) -> list[str]:
    """Give the hosts that need no proxy, as Java writes them: a domain of NO_PROXY is that of its hosts, too."""
    hosts = list(_LOCAL)
    for name in filter(None, (part.strip() for part in no_proxy.split(","))):
        if name == "*":
            return ["*"]
        bare = name.removeprefix("*").removeprefix(".")
        hosts += [name] if name[0].isdigit() else [bare, f"*.{bare}"]
    return list(dict.fromkeys(hosts))
