"""The catalogue is the one place where methods are listed: registry, dialog, packages and fine-tuning follow it."""

from __future__ import annotations

from typing import Any

import pytest

from bioimg_fiji.commands import find
from bioimg_fiji.commands.documentation import describe
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.train.catalogue import CATALOGUE, Entry, kind_of, of_kind
from bioimg_fiji.train.registry import METHODS

PROVENANCE: dict[str, Any] = {
    "paper": "P",
    "data": {"samples": 1, "mean": [12.5], "std": [3.25]},
    "figures": {"validation_loss": 0.5},
    "parameters": {},
    "machine": {},
}


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=list(CATALOGUE))
def test_methods_say_what_the_catalogue_says(entry: Entry) -> None:
    method = METHODS[entry.name]
    assert (method.name, method.paper) == (entry.name, entry.paper)
    about = describe(PROVENANCE | {"method": entry.name}, "cells.tif")
    assert about.name == f"{entry.title} cells.tif"
    assert {"text": entry.source, "doi": entry.doi} in about.cite
    assert entry.kind in about.tags


def test_the_dialog_offers_the_denoisers() -> None:
    offered = find("train_denoiser").describe()["schema"]["properties"]["method"]
    assert offered["enum"] == [entry.name for entry in of_kind("denoising")] == list(METHODS)[:5]
    assert all(entry.help in offered["description"] for entry in of_kind("denoising"))
    with pytest.raises(ParameterError, match="it is 'care'"):
        find("train_denoiser").parameters.parse({"method": "care", "model": "m.zip"})


def test_kinds() -> None:
    assert [entry.name for entry in of_kind("restoration")] == ["care"]
    assert kind_of("segmentation") == "segmentation"
    assert kind_of("of someone else") == "denoising"
    assert CATALOGUE["care"].output == "restored"


def test_the_readme_tells_how_intensities_are_normalised() -> None:
    text = describe(PROVENANCE | {"method": "segmentation"}, "cells.tif").documentation
    assert "normalised by its own mean and standard deviation" in text
    assert "inverse" not in text
    text = describe(PROVENANCE | {"method": "n2v"}, "cells.tif").documentation
    assert "(mean 12.5, standard deviation 3.25) and its inverse are part of the package" in text
    assert "went on from" not in text


def test_the_readme_tells_from_which_model_a_training_went_on() -> None:
    start = {"name": "Noise2Void embryo", "sha256": "ab" * 32}
    text = describe(PROVENANCE | {"method": "n2v", "start": start}, "cells.tif").documentation
    assert f'went on from the model "Noise2Void embryo" (SHA-256 `{"ab" * 32}`)' in text
