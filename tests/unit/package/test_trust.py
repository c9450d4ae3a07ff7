"""Code of a package runs only when its whole content is trusted; a canary tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.commands import find
from bioimg_fiji.errors import PackageError, ParameterError, UntrustedModelError
from bioimg_fiji.image import Image
from bioimg_fiji.package import open_package
from bioimg_fiji.package.trust import check_trust, content_hash, distrust, trust, trusted
from support.zoo import Kind, write

IMAGE = Image(np.random.default_rng(0).normal(100, 10, (40, 48)).astype(np.float32), "yx")


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that the package's code would write."""
    return tmp_path / "canary"


@pytest.fixture
def model(tmp_path: Path, canary: Path) -> Path:
    path = write(Kind(weights="pytorch_state_dict"), tmp_path / "package")
    source = path.parent / "network.py"
    source.write_text(f"open({str(canary)!r}, 'w').close()\n" + source.read_text())
    return path


def run(model: Path, **values: object) -> np.ndarray:
    return find("run_model").run({"image": IMAGE, "model": model, **values}).images["output"].pixels


def test_refusal_tells_what_would_run_and_how_to_allow_it(model: Path, canary: Path) -> None:
    with pytest.raises(UntrustedModelError, match=r"Net of network\.py") as caught:
        run(model)
    digest = content_hash(open_package(model))
    assert f"trust={digest[:16]}" in caught.value.fix
    assert not canary.exists()
    assert run(model, trust=digest[:16]).shape == (2, 40, 48)
    assert canary.exists()


@pytest.mark.parametrize("weights", ["torchscript", "pytorch_state_dict"])
def test_the_list_of_the_user_allows_it_until_taken_back(weights: str, tmp_path: Path) -> None:
    path = write(Kind(weights=weights), tmp_path / "package")
    with pytest.raises(UntrustedModelError):
        run(path, weights=weights)
    digest = trust(open_package(path))
    assert trusted() == {digest: "Test conv"}
    run(path, weights=weights)
    assert distrust(digest[:16]) == [digest]
    assert distrust(digest[:16]) == []
    with pytest.raises(UntrustedModelError):
        run(path, weights=weights)


@pytest.mark.parametrize("file", ["network.py", "weights.pt", "rdf.yaml", "README.md", "extra.py"])
def test_any_change_ends_the_trust(file: str, model: Path, canary: Path) -> None:
    digest = trust(open_package(model))
    with (model.parent / file).open("a") as changed:
        changed.write("\n# changed\n")
    for more in ({}, {"trust": digest}):
        with pytest.raises(UntrustedModelError) as caught:
            run(model, **more)
        assert digest not in caught.value.details["sha256"]
    assert not canary.exists()


def test_code_that_changes_after_the_check_does_not_run(model: Path, canary: Path) -> None:
    package = open_package(model)
    source = model.parent / "network.py"
    source.write_text(source.read_text() + "# changed\n")
    from bioimg_fiji.runtime.torch_adapter import TorchAdapter

    with pytest.raises(PackageError, match="has changed since"):
        TorchAdapter(package)
    assert not canary.exists()


@pytest.mark.parametrize("given", ["0123456789abcde", "yes", "0123456789abcdeg", "0" * 65])
def test_trust_is_a_hash(given: str, model: Path, canary: Path) -> None:
    with pytest.raises((ParameterError, UntrustedModelError)):
        run(model, trust=given)
    assert not canary.exists()


def test_each_of_several_models_needs_its_own_hash(model: Path, tmp_path: Path, canary: Path) -> None:
    """As in an ensemble, whose members are checked one by one; the refusal of the second says what is missing."""
    other = write(Kind(weights="torchscript"), tmp_path / "other")
    packages = [open_package(path) for path in (model, other)]
    first, second = (content_hash(package)[:16] for package in packages)
    with pytest.raises(UntrustedModelError, match=f"Its SHA-256 is another than trust={first}") as caught:
        check_trust(packages[1], "TorchScript", first)
    assert f"trust={second} (of several models all of theirs, with ; between)" in caught.value.fix
    for package in packages:
        check_trust(package, "code", f"{first}; {second.upper()}")
    with pytest.raises(ParameterError, match="16 or more digits"):
        check_trust(packages[0], "code", f"{first};{second[:8]}")
    assert run(model, trust=f"{second};{first}").shape == (2, 40, 48)


def test_links_are_not_trusted(model: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("")
    (model.parent / "link.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(PackageError, match="link"):
        content_hash(open_package(model))


@pytest.mark.parametrize("content", ["[]", "{", '{"a": 1}'])
def test_a_damaged_list_trusts_nothing(content: str, model: Path, private_places: Path) -> None:
    (private_places / "trusted.json").write_text(content)
    with pytest.raises(PackageError, match="list of trusted models"):
        run(model)


def test_a_network_that_cannot_be_made_tells_why(model: Path) -> None:
    source = model.parent / "network.py"
    source.write_text("import a_library_that_nobody_has\n" + source.read_text())
    with pytest.raises(Exception, match="a_library_that_nobody_has") as caught:
        run(model, trust=content_hash(open_package(model)))
    assert "Install" in str(caught.value)


def test_the_command_trusts_what_its_hash_names(model: Path, private_places: Path) -> None:
    command, package = find("models"), open_package(model)
    found = content_hash(package)
    for digits in (None, found[:15], "0" * 64):
        with pytest.raises(ParameterError, match="trust"):
            command.run({"action": "trust", "source": str(model), "trust": digits})
        assert not trusted()
    command.run({"action": "trust", "source": str(model), "trust": found[:16]})
    assert list(trusted()) == [found]
