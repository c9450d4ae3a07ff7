"""Memory kept from step to step: what the system counts of page faults and of resident pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bioimg_fiji.train import heap

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or heap._glibc() is None, reason="only glibc is told to keep memory"
)
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
ROUNDS, NUMBERS = 20, 12 << 20
"""Arrays of 48 MB: larger than what glibc ever keeps by itself."""
WARM = 10
"""Aligning an array leaves a crumb before it; as long as glibc caches them (seven), each array lies behind the last."""


def faults_of_rounds() -> int:
    import resource

    import torch

    for _ in range(WARM):
        torch.ones(NUMBERS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(ROUNDS):
        torch.ones(NUMBERS)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


def test_freed_memory_is_used_again_without_new_pages() -> None:
    pages = ROUNDS * NUMBERS * 4 // PAGE
    with heap.freed_memory_kept():
        assert faults_of_rounds() < 0.1 * pages


def test_memory_is_given_back_when_the_last_training_has_ended() -> None:
    with heap.freed_memory_kept():
        with heap.freed_memory_kept():
            faults_of_rounds()
        held = resident()
    assert held - resident() > 0.5 * NUMBERS * 4
