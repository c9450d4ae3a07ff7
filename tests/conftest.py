"""What all tests share: the real images, a private home, and the proof that nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import settings

from support import shared_memory, tables

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in a shell's background: programs would not hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A computer that does much else makes tests slow, and not wrong; each has its own time limit.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

ROOT = Path(__file__).resolve().parents[1]
CONTRACT = ROOT / "tests" / "contract"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real microscopy images, beside the project's folder; absent on most machines."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real images (../shared/data) is not here")
    return folder


@pytest.fixture(autouse=True)
def private_places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's settings or finds the user's server."""
    folder = tmp_path_factory.mktemp("places")
    monkeypatch.setenv("BIOIMG_FIJI_SETTINGS", str(folder / "settings.toml"))
    monkeypatch.setenv("BIOIMG_FIJI_CONNECTION", str(folder / "connection.json"))
    monkeypatch.setenv("BIOIMG_FIJI_SERVERS", str(folder / "servers.json"))
    monkeypatch.setenv("BIOIMG_FIJI_TRUSTED", str(folder / "trusted.json"))
    monkeypatch.setenv("BIOIMG_FIJI_MODELS", str(folder / "models"))
    monkeypatch.setenv("BIOIMG_FIJI_ZOO", "http://127.0.0.1:9/nothing.json")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, for all that it starts; requested before those."""
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a child process, a thread of ours or a file in /dev/shm."""
    shm = shared_memory.folder()
    before_files = set(shm.iterdir()) if shm.is_dir() else set()
    before_children = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    children = [child for child in psutil.Process().children(recursive=True) if _new(child, before_children)]
    _, alive = psutil.wait_procs(children, timeout=5)
    alive = [child for child in alive if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not alive, f"processes left behind: {[(c.pid, c.cmdline()) for c in alive]}"
    files = (set(shm.iterdir()) if shm.is_dir() else set()) - before_files
    ours = [file for file in files if file.name.startswith("bioimg") and not _of_another(file.name)]
    assert not ours, f"files left behind: {ours}"
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("bioimg")]
    assert not names, f"threads left behind: {names}"


def _of_another(name: str) -> bool:
    """Whether a folder (bioimg-fiji-PID-...) belongs to a living process that is none of ours."""
    pid = name.split("-")[2] if name.count("-") >= 3 else ""
    if not pid.isdigit() or not psutil.pid_exists(int(pid)):
        return False
    return int(pid) not in {child.pid for child in psutil.Process().children(recursive=True)}


def _new(process: psutil.Process, before: set[int]) -> bool:
    """Whether this test started the process, and not a server that several tests share: its workers come and go."""
    try:
        return not {process.pid, *(parent.pid for parent in process.parents())} & before
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="session")
def contract() -> Path:
    """Folder of the golden files that pytest and JUnit read."""
    return CONTRACT


os.environ.setdefault("BIOIMAGEIO_RESOLVE_DRAFT", "false")
# As in the server: threads of torch that wait do not spin, which on a busy computer takes many times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB, to be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model package trained for a few steps: its pixels are anything but good, and always the same."""
    from bioimg_fiji.commands import find
    from bioimg_fiji.image import Image

    rng = np.random.default_rng(5)
    image = Image(rng.poisson(60, (160, 160)).astype(np.uint16), "yx", title="noise.tif")
    target = tmp_path_factory.mktemp("model") / "small.zip"
    find("train_denoiser").run({"image": image, "model": target, "steps": 5, "batch_size": 4, "apply": False})
    return target


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several processes of pytest a memory of its own, to see what its tests leave behind."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared_memory.take_own()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove that."""
    shared_memory.give_back()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the tables of one of several processes to the one that prints them."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        session.config.workeroutput["tables"] = tables.TOLD


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take those tables."""
    tables.TOLD.extend(getattr(node, "workeroutput", {}).get("tables", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables that tests have left."""
    for table in tables.TOLD:
        terminalreporter.section("table")
        terminalreporter.write_line(table)
