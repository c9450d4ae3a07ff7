"""The server's log: warnings on standard error, everything in a rotating file."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
from collections.abc import Iterator
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from typing import cast

from bioimg_fiji import settings
from bioimg_fiji.errors import ParameterError

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, pid, and error where there is a stack trace."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _Private(RotatingFileHandler):
    """A rotating file that only this user can read, whatever the umask says."""

    def _open(self) -> TextIOWrapper:
        def opener(name: str, flags: int) -> int:
            return os.open(name, flags, 0o600)

        file = open(self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=opener)  # noqa: SIM115
        return cast("TextIOWrapper", file)


@contextlib.contextmanager
def logging_to_file() -> Iterator[str]:
    """Log our messages and those of the HTTP server; give the log file's path.

    A home folder that cannot be written to costs the file, not the server.

    Raises
    ------
    ParameterError
        When the setting `log_format` names no form.
    """
    forms = {"text": logging.Formatter(_FORMAT), "json": JsonLines()}
    form = str(settings.get("log_format"))
    if form not in forms:
        raise ParameterError.of("log_format", "text or json", form)
    shown = logging.StreamHandler()
    shown.setLevel(str(settings.get("log_level")).upper())
    handlers: list[logging.Handler] = [shown]
    path = settings.home_folder() / "logs" / "server.log"
    where = str(path)
    try:
        for folder in (path.parent.parent, path.parent):  # NB: parents=True would make those of others' reading
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handlers.append(_Private(path, maxBytes=4 << 20, backupCount=3, encoding="utf-8"))
        handlers[-1].setFormatter(forms[form])
    except OSError:
        where = "standard error of the server"
    loggers = [logging.getLogger(name) for name in ("bioimg_fiji", "uvicorn.error", "asyncio")]
    shown.setFormatter(forms["text"])
    for handler in handlers:
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
