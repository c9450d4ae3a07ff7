"""A server that others reach: TLS, token, fingerprint, named servers, and images that it has already."""

from __future__ import annotations

import importlib
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioimg_fiji.client import Client, connect
from bioimg_fiji.commands import find
from bioimg_fiji.errors import AuthenticationError, BioimgError, ParameterError
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.remote import fingerprint, named, token
from bioimg_fiji.server import address, roots, tls
from bioimg_fiji.server.options import ServeOptions
from support.servers import Server, noise, until

pytestmark = pytest.mark.timeout(120)
OTHER = ":".join(["AB"] * 32)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images that the server may read, beside one that it may not."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "data" / "day 1").mkdir(parents=True)
    write_image(noise(48, 40), folder / "data" / "day 1" / "cells.tif")
    write_image(noise(32, 32), folder / "secret.tif")
    (folder / "data" / "link.tif").symlink_to(folder / "secret.tif")
    (folder / "data" / "out").symlink_to(folder)
    return folder


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Iterator[Server]:
    """A server that listens on all addresses."""
    folder = tmp_path_factory.mktemp("remote")
    arguments = ["--host", "0.0.0.0", "--self-signed", "--token-file", str(folder / "token")]
    server = Server.start(folder, *arguments, "--root", f"data={images / 'data'}", "--allowed-host", "gpu.example")
    yield server
    server.stop()


@pytest.fixture
def gpu(remote: Server) -> str:
    """Its name in the list of servers."""
    url, pin = remote.connection.url, remote.connection.fingerprint
    return named.add("gpu", url, token_file=remote.folder / "token", pinned=pin).name


def line(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bioimg_fiji", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | environment, input=""
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "gpu.example"])
def test_an_open_address_needs_tls_and_a_token(host: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"TLS is and a token is missing.*--self-signed.*--token-file"):
        address.prepare(ServeOptions(host=host))
    with pytest.raises(ParameterError, match=r"where TLS is missing") as caught:
        address.prepare(ServeOptions(host=host, token_file=tmp_path / "token"))
    assert "token-file" not in caught.value.fix
    with pytest.raises(ParameterError, match=r"where a token is missing"):
        address.prepare(ServeOptions(host=host, self_signed=True))


def test_the_command_line_refuses_with_the_next_step() -> None:
    done = line("serve", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "--self-signed" in done.stderr
    assert "SSH tunnel" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_key_and_the_token_are_private_and_stay(
    start: Callable[..., Server], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--host", "0.0.0.0", "--self-signed", "--token-file", str(tmp_path / "token")]
    first = start(*arguments)
    folder = first.folder / "home" / ".bioimg-fiji" / "tls"
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    told = (first.folder / "server.err").read_text()
    assert first.connection.fingerprint in told
    assert first.connection.token not in told
    assert first.connection.token == token.read(tmp_path / "token")
    first.stop()
    second = start(*arguments)
    assert second.connection.fingerprint == first.connection.fingerprint
    assert second.connection.token == first.connection.token


@pytest.mark.skipif(sys.platform == "win32", reason="psutil cannot look there as an ordinary user")
def test_workers_do_not_inherit_the_token(tmp_path: Path) -> None:
    server = Server.start(tmp_path, environment={token.VARIABLE: "a" * 40})
    try:
        assert server.connection.token == "a" * 40
        found = [worker.environ() for worker in until(server.workers)]
        assert all("BIOIMG_FIJI_CONNECTION" in environment for environment in found)
        assert not any(token.VARIABLE in environment for environment in found)
    finally:
        server.stop()


def test_the_certificate_has_names_and_addresses(tmp_path: Path) -> None:
    from cryptography import x509

    identity = tls.self_signed(tmp_path, ["gpu.example", "192.0.2.7", "::1"])
    made = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["gpu.example"]
    assert {str(each) for each in names.get_values_for_type(x509.IPAddress)} == {"192.0.2.7", "::1"}
    digits = made.fingerprint(made.signature_hash_algorithm).hex()  # type: ignore[arg-type]
    assert fingerprint.parse(digits) == identity.fingerprint


def test_what_is_no_certificate_or_open_to_others_is_refused(tmp_path: Path) -> None:
    identity = tls.self_signed(tmp_path / "one", ["localhost"])
    other = tls.self_signed(tmp_path / "two", ["localhost"])
    with pytest.raises(ParameterError, match="cannot be used"):
        tls.load(identity.certificate, other.key)
    with pytest.raises(ParameterError, match="cannot be used"):
        tls.load(tmp_path / "none.pem", identity.key)
    identity.key.chmod(0o640)
    with pytest.raises(ParameterError, match="chmod 600"):
        tls.load(identity.certificate, identity.key)


def test_tokens_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(token.VARIABLE, "secret")
    with pytest.raises(ParameterError, match="BIOIMG_FIJI_TOKEN is none") as caught:
        token.given(None)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv(token.VARIABLE, "a" * 40)
    assert token.given(None) == "a" * 40
    loose = tmp_path / "loose"
    loose.write_text("a" * 40)
    loose.chmod(0o644)
    with pytest.raises(ParameterError, match="chmod 600"):
        token.given(loose)


def test_the_pinned_server_runs_commands_and_another_certificate_is_refused(
    remote: Server, small_model: Path, private_places: Path
) -> None:
    url, secret, pin = remote.connection.url, remote.connection.token, remote.connection.fingerprint
    assert url.startswith("https://")
    expected = find("run_model").run({"image": noise(48, 40), "model": small_model}).images["output"]
    with Client(url=url, token=secret, fingerprint=pin.lower().replace(":", "")) as client:
        output = client.run("run_model", noise(48, 40), model=small_model).images["output"]
    np.testing.assert_array_equal(output.pixels, expected.pixels)
    with pytest.raises(AuthenticationError, match=f"not the one that is expected.*{pin}"):
        Client(url=url, token=secret, fingerprint=OTHER)
    with pytest.raises(AuthenticationError, match=r"self-signed|self signed"):
        Client(url=url, token=secret)
    with pytest.raises(AuthenticationError, match="token"):
        Client(url=url, token=secret[::-1], fingerprint=pin)


def test_plain_http_and_other_names_get_nothing(remote: Server) -> None:
    port = remote.connection.url.rpartition(":")[2]
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{port}/v1/info", trust_env=False)
    for host, status in ((f"gpu.example:{port}", 200), (f"127.0.0.1.evil:{port}", 403), ("gpu.example:1", 403)):
        assert remote.http.get("/v1/info", headers={"Host": host}).status_code == status


def test_a_named_server_in_every_way(gpu: str, remote: Server, small_model: Path, tmp_path: Path) -> None:
    expected = find("run_model").run({"image": noise(48, 40), "model": small_model}).images["output"]
    write_image(noise(48, 40), tmp_path / "in.tif")
    with connect(gpu) as client:
        ours = client.run("run_model", noise(48, 40), model=small_model).images["output"]
    assert f"server={gpu} " in ours.properties["BioImg Macro"]
    done = line("run", str(small_model), str(tmp_path / "in.tif"), str(tmp_path / "out.tif"), "--server", gpu)
    assert done.returncode == 0, done.stderr
    for each in (ours, read_image(tmp_path / "out.tif")):
        np.testing.assert_array_equal(each.pixels, expected.pixels)
    with pytest.raises(ParameterError, match=r"connect\(\"gpu\"\)"):
        find("run_model").run({"image": noise(48, 40), "model": small_model, "server": gpu})


def test_the_list_of_servers_by_the_command_line(remote: Server, tmp_path: Path) -> None:
    url, pin = remote.connection.url, remote.connection.fingerprint
    added = line("servers", "add", "box", url, "--fingerprint", pin, "--token-file", str(remote.folder / "token"))
    assert added.returncode == 0, added.stderr
    tried = line("servers", "test", "box")
    assert tried.returncode == 0, tried.stderr
    assert "cpu" in tried.stdout
    assert "ms" in tried.stdout
    wrong = line("servers", "add", "wrong", url, "--fingerprint", OTHER, "--token-file", str(remote.folder / "token"))
    assert wrong.returncode == 0
    tried = line("servers", "test", "wrong")
    assert tried.returncode == 1
    assert "not the one that is expected" in tried.stderr
    assert line("servers", "remove", "wrong").returncode == 0
    assert list(named.load()) == ["box"]
    gone = line("servers", "test", "bx")
    assert "Did you mean box?" in gone.stderr
    described = find("run_model").describe()["schema"]["properties"]["server"]
    assert described["x-suggestions"] == ["local", "box"]


def test_entries_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").write_text("a" * 40)
    file = tmp_path / "token"
    with pytest.raises(ParameterError, match="https"):
        named.add("far", "http://gpu.example:80", token_file=file)
    with pytest.raises(ParameterError, match="not 'local'"):
        named.add("local", "https://gpu.example", token_file=file)
    with pytest.raises(ParameterError, match="64 hex"):
        named.add("far", "https://gpu.example", token_file=file, pinned="12:34")
    kept = named.add("tunnel", "http://127.0.0.1:8765", token_file=None, token_text="b" * 40)
    assert stat.S_IMODE(Path(kept.token_file).stat().st_mode) == 0o600
    assert kept.token == "b" * 40
    assert "b" * 40 not in Path(os.environ["BIOIMG_FIJI_SERVERS"]).read_text()
    named.remove("tunnel")
    assert not Path(kept.token_file).exists()


@pytest.mark.parametrize("url", ["http://gpu.example", "http://127.0.0.1.evil", "http://localhost.evil", "ftp://[::1]"])
def test_a_list_that_was_edited_sends_no_token_in_clear(url: str) -> None:
    list_file = Path(os.environ["BIOIMG_FIJI_SERVERS"])
    named.add("far", "https://gpu.example", token_file=None, token_text="a" * 40)
    list_file.write_text(list_file.read_text().replace("https://gpu.example", url))
    with pytest.raises(ParameterError, match=r"URL must be an.* address") as caught:
        connect("far")
    assert str(list_file) in caught.value.fix
    named.remove("far")


def test_a_token_that_two_entries_have_stays_for_the_other() -> None:
    url, file = "https://gpu.example", Path(os.environ["BIOIMG_FIJI_SERVERS"]).parent / "tokens" / "old"
    named.add("old", url, token_file=None, token_text="a" * 40)
    named.add("new", url, token_file=file)
    named.remove("old")
    assert named.find("new").token == "a" * 40
    named.add("old", url, token_file=None, token_text="b" * 40)  # takes the file of no other entry
    assert (named.find("new").token, named.find("old").token) == ("a" * 40, "b" * 40)
    for name in ("new", "old"):
        kept = named.find(name).token_file
        named.remove(name)
        assert not Path(kept).exists()


def test_images_that_the_server_has(gpu: str, small_model: Path, images: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in images.rglob("*.tif")}
    expected = find("run_model").run({"image": noise(48, 40), "model": small_model}).images["output"]
    with connect(gpu) as client:
        assert client.info()["roots"] == ["data"]
        output = client.run("run_model", model=small_model, image="server:data/day 1/cells.tif").images["output"]
        np.testing.assert_array_equal(output.pixels, expected.pixels)
        for path in ("data/link.tif", "data/out/secret.tif", "data/../secret.tif", "other/a.tif", "data//etc/passwd"):
            with pytest.raises(BioimgError) as caught:
                client.run("run_model", model=small_model, image=f"server:{path}")
            assert caught.value.code == "parameter", path
            assert caught.value.fix
    assert {path: path.stat().st_mtime_ns for path in images.rglob("*.tif")} == before
    done = line("run", str(small_model), "server:data/day 1/cells.tif", str(tmp_path / "out.tif"), "--server", gpu)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(read_image(tmp_path / "out.tif").pixels, expected.pixels)
    write_image(expected, tmp_path / "truth.tif")
    asked = ("evaluate", "server:data/day 1/cells.tif", "--truth", str(tmp_path / "truth.tif"), "--metrics", "psnr")
    done = line(*asked, "--server", gpu)
    assert done.returncode == 0, done.stderr
    figures = find("evaluate").run({"image": noise(48, 40), "truth": expected, "metrics": "psnr"}).figures
    assert f"{figures['psnr']:.4g}" in done.stdout
    both = ("server:data/day 1/cells.tif", "--truth", "server:data/day 1/cells.tif")
    assert "Infinity" in line("evaluate", *both, "--metrics", "psnr", "--server", gpu).stdout


def test_the_dashboard_of_a_named_server(gpu: str, remote: Server) -> None:
    done = line("dashboard", "--server", gpu)
    assert done.returncode == 0, done.stderr
    address, _, code = done.stdout.strip().partition("/#code=")
    assert address == named.find(gpu).url
    told = remote.http.post("/v1/dashboard/login", json={"code": code}, headers={"Origin": address})
    assert told.status_code == 200, told.text
    unknown = line("dashboard", "--server", "gpx")
    assert unknown.returncode == 1
    assert "Did you mean gpu" in unknown.stderr


@pytest.mark.parametrize(("given", "wanted"), [("x.zarr", "out.tif"), ("x.tif", "out.zarr"), ("large.tif", "out.tif")])
def test_a_path_in_a_shell_is_the_shells(
    gpu: str, small_model: Path, tmp_path: Path, given: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the image's size or form: the server has no file of that name, and gets its pixels."""
    cli = importlib.import_module("bioimg_fiji.cli.main")

    monkeypatch.chdir(tmp_path)  # relative names: in the server's folder there are no such files
    write_image(noise(48, 40), given)
    if given == "large.tif":
        monkeypatch.setattr(cli, "LARGE", 100)
    cli.group.main(["run", str(small_model), given, wanted, "--server", gpu], standalone_mode=False)
    expected = find("run_model").run({"image": noise(48, 40), "model": small_model}).images["output"]
    np.testing.assert_array_equal(read_image(wanted).pixels, expected.pixels)


def test_what_a_server_is_not_sent_is_a_sentence(gpu: str, small_model: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    write_image(noise(48, 40), tmp_path / "folder" / "x.tif")
    runs = line("run", str(small_model), str(tmp_path / "folder"), str(tmp_path / "results"), "--server", gpu)
    trains = line("train", "n2v", str(tmp_path / "folder"), "--model", str(tmp_path / "m.zip"), "--server", gpu)
    for done in (runs, trains):
        assert done.returncode == 1
        assert "one image where --server is gpu" in done.stderr
        assert "server:ROOT/path" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_an_image_beyond_memory_is_not_sent(
    gpu: str, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = importlib.import_module("bioimg_fiji.cli.main")

    huge = tmp_path / "huge.zarr"
    write_image(noise(48, 40), huge)
    description = huge / "0" / "zarr.json"
    told = json.loads(description.read_text()) | {"shape": [2**21, 2**21]}
    description.write_text(json.dumps(told))
    with pytest.raises(ParameterError, match="fits in memory"):
        cli.group.main(
            ["run", str(small_model), str(huge), str(tmp_path / "o.tif"), "--server", gpu], standalone_mode=False
        )


@settings(max_examples=300, deadline=None)
@given(path=st.lists(st.sampled_from(["..", ".", "", "day 1", "cells.tif", "link.tif", "out", "/", "secret.tif"])))
def test_no_path_leads_out(images: Path, path: list[str]) -> None:
    text = "/".join(path)
    try:
        found = roots.read(*roots.place(f"data/{text}", {"data": images / "data"}))
    except BioimgError:
        return
    assert found.shape == (48, 40)  # not the secret one


def test_a_link_that_comes_between_leads_nowhere(images: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    write_image(noise(48, 40), root / "a" / "x.tif")
    (tmp_path / "evil").mkdir()
    write_image(noise(32, 32), tmp_path / "evil" / "x.tif")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            (root / "a").rename(root / "b")
            (root / "a").symlink_to(tmp_path / "evil")
            (root / "a").unlink()
            (root / "b").rename(root / "a")

    thread = threading.Thread(target=swap)
    thread.start()
    seen = refused = 0
    try:
        deadline = time.monotonic() + 30
        while min(seen, refused) < 5 and time.monotonic() < deadline:
            try:
                assert roots.read(str(root), "a/x.tif").shape == (48, 40)
                seen += 1
            except ParameterError:
                refused += 1
    finally:
        over.set()
        thread.join()
    assert min(seen, refused) >= 5


def test_a_tiff_takes_no_planes_from_other_files(images: Path, tmp_path: Path) -> None:
    import tifffile

    root = tmp_path / "root"
    root.mkdir()
    secret = images / "secret.tif"
    for name in (str(secret), os.path.relpath(secret, root), "other.ome.tif"):
        description = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="float32" SizeX="32" SizeY="32" '
            'SizeZ="2" SizeC="1" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
            '<TiffData FirstZ="0" IFD="0" PlaneCount="1"><UUID FileName="x.ome.tif">urn:uuid:1</UUID></TiffData>'
            f'<TiffData FirstZ="1" IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:2</UUID></TiffData>'
            "</Pixels></Image></OME>"
        )
        pixels = np.zeros((32, 32), np.float32)
        tifffile.imwrite(root / "x.ome.tif", pixels, description=description, metadata=None)
        with pytest.raises(BioimgError, match="not all in this file"):
            roots.read(str(root), "x.ome.tif")
    write_image(noise(48, 40), root / "one.ome.tif")
    (root / "one.ome.tif").rename(root / "renamed.ome.tif")
    assert roots.read(str(root), "renamed.ome.tif").shape == (48, 40)


@pytest.mark.parametrize("name", ["x.tif", "x.ome.tif", "x.zarr", "x.png"])
@pytest.mark.parametrize("by_handle", [True, False])
def test_what_is_read_is_what_is_there(
    tmp_path: Path, name: str, by_handle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import imageio.v3 as imageio

    monkeypatch.setattr(roots, "_BY_HANDLE", by_handle and roots._BY_HANDLE)
    path = tmp_path / name
    if name == "x.png":
        imageio.imwrite(path, noise(48, 40).pixels.astype(np.uint8))
    else:
        write_image(noise(48, 40), path)
    found, expected = roots.read(str(tmp_path), name), read_image(path)
    assert found.header() == expected.header()
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    path.rename(tmp_path / "other")
    path.symlink_to(tmp_path / "other")
    with pytest.raises(ParameterError):
        roots.read(str(tmp_path), name)


def test_a_zarr_has_its_pixels_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    path = write_image(noise(48, 40), root / "x.zarr")
    write_image(noise(32, 32), tmp_path / "secret.zarr")
    description = (path / "zarr.json").read_text()
    for array in ("../../secret.zarr/0", str(tmp_path / "secret.zarr" / "0")):
        (path / "zarr.json").write_text(description.replace('"path": "0"', f'"path": "{array}"'))
        assert array in (path / "zarr.json").read_text()
        with pytest.raises(BioimgError, match="outside the group"):
            roots.read(str(root), "x.zarr")
    (path / "zarr.json").write_text(description)
    (path / "0" / "c").rename(path / "elsewhere")
    (path / "0" / "c").symlink_to(tmp_path / "secret.zarr" / "0" / "c")
    with pytest.raises(ParameterError, match="links in it"):
        roots.read(str(root), "x.zarr")


@pytest.mark.parametrize("part", ["x.zarr", "x.zarr/0", "x.zarr/0/c"])
def test_a_link_that_comes_into_a_zarr_leads_nowhere(
    tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    image = noise(48, 40)
    write_image(image, root / "x.zarr")
    write_image(image.with_pixels(image.pixels * 0 + 77), tmp_path / "secret.zarr")
    target = tmp_path / "secret.zarr" / part.removeprefix("x.zarr").lstrip("/")
    checked = roots._checked

    def checked_and_swapped(*given: Any) -> Path:
        found = checked(*given)
        (root / part).rename(tmp_path / "aside")
        (root / part).symlink_to(target)
        return found

    monkeypatch.setattr(roots, "_checked", checked_and_swapped)
    try:
        np.testing.assert_array_equal(roots.read(str(root), "x.zarr").pixels, image.pixels)
    except BioimgError:
        assert part != "x.zarr"  # that one was open already


def test_nothing_is_left_in_the_temporary_folder(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: pytest.fail("a reading worker makes no folder"))
    assert roots.read(str(images / "data"), "day 1/cells.tif").shape == (48, 40)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_image_and_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.tif")
    with pytest.raises(ParameterError, match="no file"):
        roots.read(str(tmp_path), "x.tif")
