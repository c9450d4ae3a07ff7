"""Where a training gets its images from: open ones, folders, lists, files; and what is refused or warned about."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile

from bioimg_fiji.cli.train import train_line
from bioimg_fiji.commands import Result, find
from bioimg_fiji.commands.gathering import paired
from bioimg_fiji.errors import AxesError, BioimgError, ImageError, ParameterError
from bioimg_fiji.files import write_image
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import open_package
from bioimg_fiji.train import synthetic

SHORT = {"steps": 2, "batch_size": 2, "patch": 32, "filters": 2, "depth": 1}


def exposure(seed: int, size: int = 64) -> Image:
    photons = synthetic.phantom(size, seed=seed) * 5
    pixels = synthetic.expose(photons, np.random.default_rng(seed)).round().astype(np.uint16)
    return Image(pixels, "yx", title=f"cells{seed}.tif", scales={"x": Scale(0.3, "µm"), "y": Scale(0.3, "µm")})


def learnt(model: Path) -> dict[str, Any]:
    """Give what a package says of the data that it was trained on."""
    data: dict[str, Any] = open_package(model).own["provenance"]["data"]
    return data


def run(command: str, model: Path, job: Job | None = None, **values: Any) -> Result:
    return find(command).run({"model": model, **SHORT, **values}, job)


def test_several_open_images_are_one_data_set(tmp_path: Path) -> None:
    images = [exposure(n) for n in range(3)]
    done = run("train_denoiser", tmp_path / "m.zip", images=images)
    data = learnt(tmp_path / "m.zip")
    assert data["samples"] == 3
    assert data["mean"] == [pytest.approx(np.mean([image.pixels for image in images]))]
    assert done.images["output"].title == "cells0-denoised"  # the first is shown


def test_a_folder_a_list_and_open_images_give_the_same_model(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    (folder / "deeper").mkdir(parents=True)
    images = [exposure(n) for n in range(2)]
    write_image(images[0], folder / "a.tif")
    write_image(images[1], folder / "deeper" / "b.tif")
    (folder / "notes.txt").write_text("nothing to see")
    listed = tmp_path / "list.txt"
    listed.write_text("# two images\nraw/a.tif\nraw/deeper/b.tif\n\n# the end\n")
    for number, values in enumerate(({"images": images}, {"source": folder}, {"source": listed})):
        run("train_denoiser", tmp_path / f"{number}.zip", **values)
    first, *others = (learnt(tmp_path / f"{number}.zip") for number in range(3))
    assert [other["sha256"] for other in others] == [first["sha256"]] * 2
    assert first["samples"] == 2


def test_an_ome_zarr_is_read_by_patches(tmp_path: Path) -> None:
    stack = Image(np.stack([exposure(n).pixels for n in range(3)]), "zyx", title="stack")
    write_image(stack, tmp_path / "stack.ome.zarr")
    run("train_denoiser", tmp_path / "memory.zip", image=stack)
    done = run("train_denoiser", tmp_path / "file.zip", source=tmp_path / "stack.ome.zarr")
    assert not done.images  # nothing is open to be shown
    assert learnt(tmp_path / "file.zip")["samples"] == 3
    assert learnt(tmp_path / "file.zip")["mean"] == pytest.approx(learnt(tmp_path / "memory.zip")["mean"])


def test_pairs_by_folder_and_name(tmp_path: Path) -> None:
    for folder in ("poor", "good"):
        (tmp_path / folder).mkdir()
    for n in range(2):
        write_image(exposure(n), tmp_path / "poor" / f"{n}.tif")
        image = exposure(n)
        write_image(
            dataclasses.replace(image, pixels=(image.pixels * 3).astype(np.uint16)), tmp_path / "good" / f"{n}.tif"
        )
    run("train_restoration", tmp_path / "m.zip", source=tmp_path / "poor", target_source=tmp_path / "good")
    assert learnt(tmp_path / "m.zip")["samples"] == 2
    table = tmp_path / "pairs.tsv"
    table.write_text("poor/0.tif\tgood/0.tif\npoor/1.tif\tgood/1.tif\n")
    run("train_restoration", tmp_path / "n.zip", source=table)
    assert learnt(tmp_path / "n.zip")["sha256"] == learnt(tmp_path / "m.zip")["sha256"]
    (tmp_path / "good" / "1.tif").rename(tmp_path / "good" / "one.tif")
    with pytest.raises(ParameterError, match=r"none for 1 of 2: 1\.tif"):
        run("train_restoration", tmp_path / "o.zip", source=tmp_path / "poor", target_source=tmp_path / "good")


def test_open_pairs_in_lists(tmp_path: Path) -> None:
    images = [exposure(n) for n in range(2)]
    run("train_restoration", tmp_path / "m.zip", images=images, targets=images[::-1])
    assert learnt(tmp_path / "m.zip")["samples"] == 2
    with pytest.raises(ImageError, match="2 images and 1 targets"):
        run("train_restoration", tmp_path / "n.zip", images=images, targets=images[:1])


def labelled(image: Image) -> tuple[tuple[bytes, ...], np.ndarray]:
    """Give four squares as regions and as labels."""
    labels = np.zeros(image.pixels.shape, np.uint8)
    regions = []
    for number, (row, column) in enumerate(((4, 4), (4, 30), (30, 4), (34, 34)), 1):
        labels[row : row + 12, column : column + 12] = number
        corners = np.array([(0, 0), (12, 0), (12, 12), (0, 12)]) + np.array([column, row])
        roi = roifile.ImagejRoi.frompoints(corners.astype(np.float32))
        roi.roitype = roifile.ROI_TYPE.POLYGON
        regions.append(roi.tobytes())
    return tuple(regions), labels


def test_objects_from_a_file_of_regions_an_overlay_or_labels(tmp_path: Path) -> None:
    image = exposure(0)
    regions, labels = labelled(image)
    roifile.roiwrite(tmp_path / "RoiSet.zip", [roifile.ImagejRoi.frombytes(each) for each in regions])
    ways: list[dict[str, Any]] = [
        {"image": image, "target": Image(labels, "yx", title="labels")},
        {"image": image, "rois": tmp_path / "RoiSet.zip"},
        {"image": dataclasses.replace(image, overlay=regions)},
    ]
    for number, values in enumerate(ways):
        run("train_segmentation", tmp_path / f"{number}.zip", **values, apply=False)
    first, *others = (learnt(tmp_path / f"{number}.zip")["sha256"] for number in range(3))
    assert others == [first, first]
    (tmp_path / "broken.zip").write_bytes(b"PK")
    with pytest.raises(BioimgError, match="cannot be read as regions"):
        run("train_segmentation", tmp_path / "m.zip", image=image, rois=tmp_path / "broken.zip")


def test_going_on_from_a_segmentation_with_more_annotations(tmp_path: Path) -> None:
    image = exposure(0)
    _, labels = labelled(image)
    values = {"image": image, "target": Image(labels, "yx"), "apply": False}
    run("train_segmentation", tmp_path / "first.zip", **values)
    run("train_segmentation", tmp_path / "second.zip", **values, start_from=tmp_path / "first.zip")
    told = open_package(tmp_path / "second.zip").own["provenance"]
    assert told["start"]["sha256"] == open_package(tmp_path / "first.zip").sha256
    assert told["parameters"]["learning_rate"] == pytest.approx(1.2e-3)
    assert told["parameters"]["filters"] == 2


def test_the_residual_stands_beside_the_result(tmp_path: Path) -> None:
    image = exposure(0)
    done = run("train_denoiser", tmp_path / "m.zip", image=image, residual=True)
    assert done.images["residual"].title == "cells0-residual"
    np.testing.assert_allclose(
        done.images["residual"].pixels, image.pixels.astype(np.float64) - done.images["output"].pixels, atol=1e-3
    )
    assert done.images["residual"].scale("x") == Scale(0.3, "µm")


def test_torchscript_is_written_when_it_is_asked_for(tmp_path: Path) -> None:
    run("train_denoiser", tmp_path / "m.zip", image=exposure(0), torchscript=True)
    assert set(open_package(tmp_path / "m.zip").weights) == {"onnx", "pytorch_state_dict", "torchscript"}


def test_the_package_tells_figures_and_the_line_that_trains_it_again(tmp_path: Path) -> None:
    run("train_denoiser", tmp_path / "m.zip", image=exposure(0), seed=7)
    readme = (open_package(tmp_path / "m.zip").root / "README.md").read_text("utf-8")
    assert 'run("BioImg Train Denoiser...", "method=n2v model=' in readme
    assert "seed=7" in readme
    assert "| mean bias |" in readme


def test_several_channels_come_out_with_their_colours_and_names(tmp_path: Path) -> None:
    from bioimg_fiji.image import Channel

    both = Image(
        np.stack([exposure(0).pixels, exposure(1).pixels]),
        "cyx",
        title="both.tif",
        channels=(Channel("DAPI", bytes(768)), Channel("GFP", bytes(range(256)) * 3)),
    )
    for mode in ("separate", "joint"):
        done = run("train_denoiser", tmp_path / f"{mode}.zip", image=both, channels=mode)
        output = done.images["output"]
        assert output.shape == (2, 64, 64)
        assert [channel.name for channel in output.channels] == ["DAPI", "GFP"]
        assert open_package(tmp_path / f"{mode}.zip").inputs[0].axis("c").channel_names == ("DAPI", "GFP")  # type: ignore[union-attr]
        # Channels keep their intensities although one is brighter.
        for n in range(2):
            np.testing.assert_allclose(output.pixels[n].mean(), both.pixels[n].mean(), rtol=0.2)


def test_what_is_no_input_is_refused_with_the_way_out(tmp_path: Path) -> None:
    image, model = exposure(0), tmp_path / "m.zip"
    folder = tmp_path / "empty"
    folder.mkdir()
    cases: list[tuple[type[BioimgError], str, dict[str, Any]]] = [
        (ParameterError, "no image to train on", {}),
        (ParameterError, "left out where open images are named", {"image": image, "source": folder}),
        (ParameterError, "the name of at least one file", {"source": folder}),
        (ParameterError, "a folder, an image file or a list", {"source": tmp_path / "nowhere"}),
        (ParameterError, "names such as", {"source": folder, "pattern": "../*.tif"}),
        (AxesError, "2 channels and .* has 1", {"images": [Image(np.zeros((2, 64, 64)), "cyx"), image]}),
        (AxesError, "needs at least 7", {"image": image, "method": "temporal"}),
        (ImageError, "nothing to learn", {"image": image.with_pixels(np.full((64, 64), 9, np.uint16))}),
        (ImageError, "NaN", {"image": image.with_pixels(np.full((64, 64), np.nan, np.float32))}),
        (ImageError, "at least 32", {"image": image.with_pixels(image.pixels[:20])}),
    ]
    for kind, text, values in cases:
        with pytest.raises(kind, match=text) as caught:
            run("train_denoiser", model, **values)
        assert caught.value.fix, text
    listed = tmp_path / "list.txt"
    listed.write_text("raw/gone.tif\n")
    with pytest.raises(ParameterError, match=r"in line 1, .* gone\.tif|gone\.tif"):
        run("train_denoiser", model, source=listed)
    assert not model.exists()


def notes_of(image: Image, tmp_path: Path, **values: Any) -> str:
    notes: list[str] = []
    run("train_denoiser", tmp_path / "m.zip", Job(on_note=notes.append), image=image, apply=False, **values)
    return "\n".join(notes)


def test_what_does_not_suit_is_warned_about(tmp_path: Path) -> None:
    import io

    import imageio.v3 as imageio

    size = 256
    noisy = synthetic.expose(synthetic.phantom(size, seed=0) * 10, np.random.default_rng(0))
    eight = np.clip(noisy / noisy.max() * 255, 0, 255).astype(np.uint8)
    plain = Image(eight, "yx", title="plain.tif")
    assert "JPEG" not in notes_of(plain, tmp_path)
    buffer = io.BytesIO()
    imageio.imwrite(buffer, eight, extension=".jpg", quality=60)
    assert "JPEG" in notes_of(Image(imageio.imread(buffer.getvalue()), "yx", title="picture.jpg"), tmp_path)
    bright = np.minimum(noisy, np.percentile(noisy, 92)).astype(np.uint16)
    assert "saturated" in notes_of(Image(bright, "yx"), tmp_path)
    colour = Image(np.moveaxis(np.stack([eight] * 3), 0, 0), "cyx", rgb=True)
    assert "colour" in notes_of(colour, tmp_path).lower()
    zoomed = noisy.repeat(2, 0).repeat(2, 1)[:size, :size]
    assert "enlarged" in notes_of(Image(zoomed, "yx"), tmp_path).lower()


def test_names_with_dots_find_their_own_targets(tmp_path: Path) -> None:
    from bioimg_fiji.commands.gathering import Wanted, gather

    for folder, factor in (("poor", 1), ("good", 3)):
        (tmp_path / folder).mkdir()
        for n in range(3):
            image = exposure(n)
            write_image(image.with_pixels(image.pixels * np.uint16(factor)), tmp_path / folder / f"exp_0.5s_{n}.tif")
    wanted = Wanted(None, (), tmp_path / "poor", "*.tif", None, target_source=tmp_path / "good")
    with contextlib.ExitStack() as stack:
        found = gather(wanted, stack)
    assert len(found.images) == 3
    for image, target in zip(found.images, found.targets, strict=True):
        assert isinstance(image, Image)
        assert isinstance(target, Image)
        assert np.array_equal(target.pixels, image.pixels * 3)
    (tmp_path / "good" / "EXP_0.5s_0.tiff").write_bytes((tmp_path / "good" / "exp_0.5s_0.tif").read_bytes())
    wanted = dataclasses.replace(wanted, pattern="*.tif *.tiff")
    with contextlib.ExitStack() as stack, pytest.raises(ParameterError, match="files of different names"):
        gather(wanted, stack)


def test_a_selection_that_is_an_object_limits_nothing(tmp_path: Path) -> None:
    image = exposure(0)
    regions, _ = labelled(image)
    notes: list[str] = []
    drawn = dataclasses.replace(image, overlay=regions, roi=regions[-1])
    run("train_segmentation", tmp_path / "m.zip", Job(on_note=notes.append), image=drawn, apply=False)
    assert any("is one of the objects: the whole image" in note for note in notes)
    assert learnt(tmp_path / "m.zip")["smallest"] == [64, 64]


def test_lists_with_commas_and_marks_in_names(tmp_path: Path) -> None:
    write_image(exposure(0), tmp_path / "a#1.tif")
    write_image(exposure(1), tmp_path / "b.TIF")
    table = tmp_path / "pairs.csv"
    table.write_text('# poor, good\n"a#1.tif",b.TIF\n')
    run("train_restoration", tmp_path / "m.zip", source=table)
    assert learnt(tmp_path / "m.zip")["samples"] == 1
    run("train_denoiser", tmp_path / "n.zip", source=tmp_path)
    assert learnt(tmp_path / "n.zip")["samples"] == 2  # patterns do not mind the case
    table.write_bytes(b"caf\xe9.tif\n")
    with pytest.raises(ParameterError, match="UTF-8"):
        run("train_denoiser", tmp_path / "o.zip", source=table)


def test_a_patch_grows_to_the_grid_of_a_deep_network(tmp_path: Path) -> None:
    find("train_denoiser").run(
        {"model": tmp_path / "m.zip", "image": exposure(0), **SHORT, "patch": 16, "depth": 5, "apply": False}
    )
    assert open_package(tmp_path / "m.zip").own["provenance"]["parameters"]["depth"] == 5
    with pytest.raises(ParameterError, match=r"smaller for images of 48 x 48 pixels: .* 64 x 64"):
        find("train_denoiser").run({"model": tmp_path / "n.zip", "image": exposure(0, 48), "depth": 5})


def test_one_file_finds_its_target_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "true").mkdir()
    for name in ("a.tif", "b.tif"):
        write_image(exposure(ord(name[0])), tmp_path / "true" / name)
    write_image(exposure(0), tmp_path / "b.tif")
    found = paired([tmp_path / "b.tif"], tmp_path / "b.tif", tmp_path / "true", "*.tif")
    assert found == {tmp_path / "b.tif": tmp_path / "true" / "b.tif"}


def test_a_folder_of_targets_goes_with_a_folder_of_images(tmp_path: Path) -> None:
    write_image(exposure(0), tmp_path / "a.tif")
    line = [str(tmp_path / "a.tif"), "--target", str(tmp_path), "--model", str(tmp_path / "m.zip")]
    with pytest.raises(ParameterError, match="--target must be a file for each image") as caught:
        train_line().main(["care", *line], standalone_mode=False)
    assert "folder of the images" in caught.value.fix


def test_a_call_reads_lists_of_images(tmp_path: Path) -> None:
    for number in range(2):
        write_image(exposure(number), tmp_path / f"{number}.tif")
    images = [f"images.{number}={tmp_path / f'{number}.tif'}" for number in range(2)]
    keys = [f"{name}={value}" for name, value in {**SHORT, "model": tmp_path / "m.zip", "apply": "false"}.items()]
    group = importlib.import_module("bioimg_fiji.cli.main").group
    assert group.main(["call", "train_denoiser", *images, *keys], standalone_mode=False) == 0
    assert learnt(tmp_path / "m.zip")["samples"] == 2
