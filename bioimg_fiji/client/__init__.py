"""The commands of a model server from Python: the same calls, whether it runs on this computer or on another.

Lives here: HTTP as a client speaks it, finding or starting the server of this computer, pixels by file or by body, jobs
that run elsewhere. Lives not here: what commands do, what the server does; docs/protocol.md is the contract between
the two.

    with Client.local(start=True) as client:  # or connect("gpu"), a named server
        result = client.run("run_model", image, model="n2v.zip")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bioimg_fiji.client.client import Client, connect
    from bioimg_fiji.client.remote_job import RemoteJob

_HOMES = {"Client": "client", "connect": "client", "RemoteJob": "remote_job"}

__all__ = ["Client", "RemoteJob", "connect"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: `where` needs no HTTP library for what runs here."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
