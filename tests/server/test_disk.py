"""Buffers on the disk, for images larger than memory: their place, their room, their end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from bioimg_fiji.image import Image
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package
from bioimg_fiji.server.buffers import BufferStore, sweep
from support.servers import Server, noise, training, until

Start = Callable[..., Server]
NORMAL = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}}


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Where the server of a test has its folder on the disk."""
    return tmp_path / "cache" / "pixels"


@pytest.fixture
def own(start: Start, tmp_path: Path, disk: Path) -> Iterator[Server]:
    """A server whose cache is this test's; it leaves nothing there."""
    server = start(BIOIMG_FIJI_CACHE=str(tmp_path / "cache"))
    yield server
    server.stop()
    assert not disk.exists() or list(disk.iterdir()) == []


def make(server: Server, size: int, **more: Any) -> httpx.Response:
    return server.http.post("/v1/buffers", json={"size": size, "local": True, "on_disk": True, **more})


def fill(server: Server, image: Image) -> dict[str, Any]:
    """Write an image to a buffer on the disk, as the plugin does; give its part of a job request."""
    made = make(server, image.pixels.nbytes).json()
    Path(made["path"]).write_bytes(image.pixels.tobytes())
    return {"header": image.header(), "buffer": made["id"]}


def submit(server: Server, image: Image, command: str = "run_model", **parameters: Any) -> str:
    request = {
        "command": command,
        "parameters": parameters,
        "images": {"image": fill(server, image)},
        "accept": ["uint8", "uint16", "int16", "float32"],
        "local": True,
    }
    answer = server.http.post("/v1/jobs", json=request)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_it_is_private_and_in_the_cache(own: Server, disk: Path) -> None:
    assert not disk.exists()  # nobody has asked for it
    made = make(own, 1000).json()
    path = Path(made["path"])
    assert path.parent.parent == disk
    assert [oct(each.stat().st_mode & 0o777) for each in (disk, path.parent, path)] == ["0o700", "0o700", "0o600"]
    assert own.http.delete(f"/v1/buffers/{made['id']}").status_code == 204
    assert not path.exists()


def test_other_buffers_stay_in_memory(own: Server, disk: Path) -> None:
    made = own.http.post("/v1/buffers", json={"size": 10, "local": True}).json()
    assert Path(made["path"]).parent == own.pixels
    assert not disk.exists()


@pytest.mark.parametrize("wrong", ["yes", 1, [], None])
def test_the_wish_is_true_or_false(own: Server, wrong: Any) -> None:
    answer = make(own, 10, on_disk=wrong)
    assert answer.status_code == 400
    assert "on_disk" in answer.json()["error"]["message"]


def test_a_disk_without_room_tells_how_much_is_missing(small_disk: Path, start: Start) -> None:
    server = start(BIOIMG_FIJI_CACHE=str(small_disk))
    answer = make(server, 30 << 20)
    assert answer.status_code == 507
    error = answer.json()["error"]
    assert error["code"] == "storage"
    assert error["details"]["missing"] == (30 << 20) - error["details"]["free"]
    assert "needs 30.0 MiB" in error["message"]
    assert "28." in error["message"]
    assert "missing" in error["message"]
    assert "Free 28." in error["fix"]
    assert "BIOIMG_FIJI_CACHE" in error["fix"]
    assert make(server, 3 << 19).status_code == 201
    assert make(server, 3 << 19).status_code == 507  # promised to the first one


@pytest.mark.parametrize("id_", ["..%2Flock", "..%2F..%2F..%2Fetc%2Fpasswd", "lock", "x" * 32])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_buffers_are_reached_by_their_ids(own: Server, id_: str, method: str) -> None:
    path = Path(make(own, 10).json()["path"])
    answer = own.http.request(method, f"/v1/buffers/{id_}")
    assert answer.status_code == (204 if method == "DELETE" and "%" not in id_ else 404)
    assert (path.parent / "lock").exists()
    assert path.exists()


def test_a_link_in_its_place_is_not_followed(own: Server, tmp_path: Path) -> None:
    write_fake_package(tmp_path / "mean.zip")
    image, secret = noise(20, 30), tmp_path / "secret"
    secret.write_bytes(image.pixels.tobytes())
    part = fill(own, image)
    path = next(each for each in (tmp_path / "cache" / "pixels").rglob(part["buffer"]))
    path.unlink()
    path.symlink_to(secret)
    request = {"command": "run_model", "parameters": {"model": str(tmp_path / "mean.zip")}, "images": {"image": part}}
    answer = own.http.post("/v1/jobs", json=request)
    assert answer.status_code == 400
    assert "has 0." in answer.json()["error"]["message"]  # bytes: what it leads to does not count


def test_the_result_is_that_of_memory_and_lies_on_the_disk(own: Server, tmp_path: Path, disk: Path) -> None:
    write_fake_package(tmp_path / "mean.zip", FakeModel(pre=(NORMAL,)))
    image = noise(4, 60, 70, axes="zyx")
    job = submit(own, image, model=str(tmp_path / "mean.zip"), tile=40)
    status = own.wait(job)
    assert status["state"] == "done", status
    output = status["result"]["images"]["output"]
    other = own.wait(own.job("run_model", {"model": str(tmp_path / "mean.zip"), "tile": 40}, image, local=True))
    expected = other["result"]["images"]["output"]
    assert output["on_disk"] is True
    assert expected["on_disk"] is False
    assert Path(output["path"]).parent.parent == disk
    assert Path(output["path"]).read_bytes() == Path(expected["path"]).read_bytes()
    assert output["header"] == expected["header"]
    by_body = own.http.get(f"/v1/buffers/{output['buffer']}")
    assert by_body.content == Path(output["path"]).read_bytes()
    # The image and what was needed meanwhile are gone; then the result.
    assert sorted(each.name for each in Path(output["path"]).parent.iterdir()) == sorted(["lock", f"{job}.0"])
    own.http.delete(f"/v1/jobs/{job}")
    assert [each.name for each in Path(output["path"]).parent.iterdir()] == ["lock"]


def test_a_result_that_was_taken_away_is_no_error(own: Server, tmp_path: Path) -> None:
    """The plugin renames the file, and frees the job then."""
    write_fake_package(tmp_path / "mean.zip")
    job = submit(own, noise(40, 50), model=str(tmp_path / "mean.zip"))
    output = own.wait(job)["result"]["images"]["output"]
    Path(output["path"]).rename(tmp_path / "mine")
    assert own.http.get(f"/v1/buffers/{output['buffer']}").status_code == 404
    assert own.http.delete(f"/v1/jobs/{job}").status_code == 204


def test_after_a_cancel_nothing_is_left(own: Server, tmp_path: Path, disk: Path) -> None:
    write_fake_package(tmp_path / "mean.zip")
    image = noise(40, 300, 300, dtype="uint8", axes="zyx")
    job = submit(own, image, model=str(tmp_path / "mean.zip"), tile=16)
    until(lambda: own.status(job)["progress"]["message"] == "Tiles" and own.status(job)["progress"]["current"] > 5)
    before = time.monotonic()
    own.http.post(f"/v1/jobs/{job}/cancel")
    assert own.wait(job)["state"] == "cancelled"
    assert time.monotonic() - before < 5  # a worker that does not stop is killed after one
    until(lambda: [each.name for folder in disk.iterdir() for each in folder.iterdir()] == ["lock"], 10)


def test_other_commands_take_such_images_as_well(own: Server, tmp_path: Path, disk: Path) -> None:
    parameters = {**training(tmp_path), "steps": 2, "apply": True}
    job = submit(own, noise(96, 96), "train_denoiser", **parameters)
    status = own.wait(job)
    assert status["state"] == "done", status
    assert status["result"]["images"]["output"]["on_disk"] is True
    own.http.delete(f"/v1/jobs/{job}")


def test_the_workers_memory_does_not_grow_with_the_image(own: Server, tmp_path: Path) -> None:
    """An image of 200 MB, and a result of 800 MB: the process that does the work holds far less."""
    write_fake_package(tmp_path / "mean.zip", FakeModel(pre=(NORMAL,)))
    image = Image(np.zeros((200, 1000, 1000), np.uint8), "zyx", title="large.tif")
    small = submit(own, image.with_pixels(image.pixels[:2, :64, :64]), model=str(tmp_path / "mean.zip"))
    assert own.wait(small)["state"] == "done"  # libraries are loaded then
    base = max(each.memory_info().rss for each in until(own.workers))
    job, peak = submit(own, image, model=str(tmp_path / "mean.zip"), tile=512), 0
    while own.status(job)["state"] in ("queued", "running"):
        for each in psutil.Process(own.process.pid).children():
            try:
                peak = max(peak, each.memory_info().rss)
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.1)
    status = own.status(job)
    assert status["state"] == "done", status
    print(f"worker: {base >> 20} MiB before, {peak >> 20} MiB at most")
    assert peak - base < image.pixels.nbytes
    own.http.delete(f"/v1/jobs/{job}")


def test_a_buffer_that_is_still_written_is_not_taken_for_abandoned(tmp_path: Path) -> None:
    store = BufferStore(tmp_path / "memory", tmp_path / "disk")
    try:
        slow, left = (store.create(10, local=True, on_disk=True) for _ in range(2))
        for buffer in (slow, left):
            buffer.touched -= 1000
            buffer.path.write_bytes(b"12345")
        os.utime(left.path, (time.time() - 1000,) * 2)
        store.free_abandoned(600)
        assert store.has(slow.id)
        assert not store.has(left.id)
        assert not left.path.exists()
    finally:
        store.close()
    assert list((tmp_path / "disk").iterdir()) == []


def test_what_a_killed_server_left_is_swept_by_the_next_one(start: Start, tmp_path: Path, disk: Path) -> None:
    first = start(name="first", BIOIMG_FIJI_CACHE=str(tmp_path / "cache"))
    path = Path(make(first, 1000).json()["path"])
    path.write_bytes(b"1" * 1000)
    memory = first.ended()
    assert path.exists()
    second = start(name="second", BIOIMG_FIJI_CACHE=str(tmp_path / "cache"))
    assert not path.parent.exists()
    assert not memory.exists()
    second.stop()


HOLD = """
import fcntl, os, sys, time
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(handle, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="locks of another kind")
def test_results_that_an_imagej_shows_are_swept_after_its_end_only(tmp_path: Path) -> None:
    """Java's `FileLock` is the lock that lockf takes."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    folder = tmp_path / f"imagej-{int(ended.stdout)}-shown"
    folder.mkdir()
    (folder / "0.raw").write_bytes(b"123")
    with subprocess.Popen([sys.executable, "-c", HOLD, folder / "lock"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert sweep(tmp_path) == []
        assert (folder / "0.raw").exists()
        holder.kill()
    assert sweep(tmp_path) == [folder]
    assert not folder.exists()
    young = tmp_path / f"imagej-{os.getpid()}-young"  # its program has not locked it yet
    young.mkdir()
    assert sweep(tmp_path) == []
