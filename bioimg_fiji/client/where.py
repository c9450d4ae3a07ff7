"""Where a command runs: in this process, or on the server that its key `server` names; HTTP is loaded only for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bioimg_fiji.commands import Command, Result
from bioimg_fiji.commands.parameters import SERVER
from bioimg_fiji.jobs import Job
from bioimg_fiji.remote.named import LOCAL


def run_at(command: Command, values: Mapping[str, Any], job: Job) -> Result:
    """Run a command where its `server` says.

    Raises
    ------
    BioimgError
        What the command raises, or why the server cannot be used.
    """
    name = str(values.get(SERVER) or LOCAL)
    if name == LOCAL:
        return command.run(values, job)
    from bioimg_fiji.client.client import Client

    with Client.named(name) as client:
        return client.run(command.id, job=job, **{key: value for key, value in values.items() if key != SERVER})
