"""The server's log: warnings on standard error, everything in a rotating file."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler

from bioimg_fiji import settings

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextlib.contextmanager
def logging_to_file() -> Iterator[str]:
    """Log our messages and those of the HTTP server; give the log file's path.

    A home folder that cannot be written to costs the file, not the server.
    """
    shown = logging.StreamHandler()
    shown.setLevel(str(settings.get("log_level")).upper())
    handlers: list[logging.Handler] = [shown]
    path = settings.home_folder() / "logs" / "server.log"
    where = str(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handlers.append(RotatingFileHandler(path, maxBytes=4 << 20, backupCount=3, encoding="utf-8"))
    except OSError:
        where = "standard error of the server"
    loggers = [logging.getLogger(name) for name in ("bioimg_fiji", "uvicorn.error", "asyncio")]
    for handler in handlers:
        handler.setFormatter(logging.Formatter(_FORMAT))
        for logger in loggers:
            logger.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.propagate = False  # the command line's own handler would show every line a second time
    try:
        yield where
    finally:
        for handler in handlers:
            for logger in loggers:
                logger.removeHandler(handler)
                logger.propagate = True
            handler.close()
