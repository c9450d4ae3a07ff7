"""The model server: HTTP on loopback, a job queue, one worker process per loaded model or training.

Lives here: everything between a socket and `commands.find(id).run(values, job)`: routes, security, buffers for pixels,
the job store, worker processes, the connection file. Lives not here: what commands do, any deep-learning library, any
client; docs/protocol.md is the contract that both sides read. Importing this package loads no HTTP library, since each
worker process imports it too.
"""

from bioimg_fiji.server.options import Limits, ServeOptions, Warmth

__all__ = ["Limits", "ServeOptions", "Warmth", "serve"]


def serve(options: ServeOptions | None = None) -> int:
    """Run the model server until it is stopped; give the exit code.

    Raises
    ------
    ServerError
        When the address cannot be listened on.
    StorageError
        When the connection file or the folder for pixels cannot be written.
    """
    from bioimg_fiji.server.main import run

    return run(options or ServeOptions())
