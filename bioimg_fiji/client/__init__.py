"""The commands of a model server from Python: the same calls, whether it runs on this computer or on another.

Lives here: HTTP as a client speaks it, finding or starting the server of this computer, pixels by file or by body, jobs
that run elsewhere. Lives not here: what commands do, what the server does; docs/protocol.md is the contract between
the two.

    with Client.local(start=True) as client:
        result = client.run("run_model", image, model="n2v.zip")
"""

from bioimg_fiji.client.client import Client
from bioimg_fiji.client.remote_job import RemoteJob

__all__ = ["Client", "RemoteJob"]
