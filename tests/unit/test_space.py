"""Room on a disk: asked for, and taken before a file is mapped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bioimg_fiji.errors import StorageError
from bioimg_fiji.files.space import check_space, reserve


def test_what_is_missing_is_told(small_disk: Path) -> None:
    check_space("The image", small_disk, 1 << 20)
    with pytest.raises(StorageError) as caught:
        check_space("The image", small_disk, 1 << 20, promised=3 << 19)
    assert caught.value.details["missing"] == (1 << 20) - caught.value.details["free"]


@pytest.mark.parametrize("native", [True, False])
def test_a_file_has_its_place_whatever_the_system_offers(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    if not native:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    file = small_disk / "pixels"
    file.write_bytes(b"before")
    reserve(file, 1 << 20)
    assert file.stat().st_size == 1 << 20
    assert file.stat().st_blocks * 512 >= 1 << 20
    assert file.read_bytes()[:8] == b"before\0\0"
    with pytest.raises(OSError, match="No space left"):
        reserve(file, 4 << 20)
