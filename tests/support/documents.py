"""Examples in the documentation, which tests run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def blocks(page: str, language: str = "") -> list[str]:
    """Give the fenced blocks of a language ("": of those that name none) on a page, a path in the repository."""
    fenced = re.findall(r"^```(.*)\n((?:.*\n)*?)```$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    return [block for name, block in fenced if name == language]
