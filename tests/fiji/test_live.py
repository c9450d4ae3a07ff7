"""Live curves, early ends and lists of images, where Python has opened ImageJ without a display."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from bioimg_fiji import commands
from bioimg_fiji.commands import Result, registry
from bioimg_fiji.commands.parameters import ImageInput, ImageList, Parameters, key
from bioimg_fiji.errors import ImageError, JobCancelledError, MacroError
from bioimg_fiji.fiji import Fiji, open_fiji
from bioimg_fiji.image import Image, from_array
from bioimg_fiji.jobs import Job, Live, Progress
from support.endpoints import ENDPOINT

TITLE = "BioImg Learn in Test..."


class Learn(Parameters):
    """Parameters of the command."""

    image: ImageInput | None = key(None, title="Image", help="What to learn from.", unless=("images", "source"))
    images: ImageList = key((), title="Images", help="Several to learn from.")
    source: str | None = key(None, title="Folder", help="A folder to learn from.")
    steps: int = key(5, title="Steps", help="How long.")


def learn(parameters: Learn, job: Job) -> Result:
    """Tell what it was given, and how it was followed."""
    given = [*([parameters.image] if parameters.image else []), *parameters.images]
    job.show(Live({"loss": [(1, 0.5)]}, finishable=True))
    done = 0
    while done < parameters.steps and not job.finishing:
        done += 1
        job.progress("Learning", done, parameters.steps, loss=1 / done)
    names = "|".join(image.title for image in given)
    sums = "|".join(f"{image.pixels.sum():g}" for image in given)
    return Result(figures={"titles": names, "sums": sums, "watched": job.watched, "steps": done})


@pytest.fixture
def learner() -> Iterator[Fiji]:
    """A session that has the command, with no image open."""
    commands.load_commands()
    commands.command(id="learn_in_test", title=TITLE, menu="Plugins>BioImg")(learn)
    try:
        with open_fiji(ENDPOINT) as session:
            yield session
    finally:
        del registry._commands["learn_in_test"]


def shown(fiji: Fiji, title: str, value: int) -> None:
    fiji.show(Image(np.full((2, 2), value, np.uint8), "yx", title=title))


@pytest.mark.parametrize(
    ("line", "titles"),
    [
        ("", "c.tif"),
        ("image=a.tif", "a.tif"),
        ("images=[b d.tif|a.tif]", "b d.tif|a.tif"),
        ("images=all", "a.tif|b d.tif|c.tif"),
        ("source=/data", ""),
        ("image=c.tif images=a.tif", "c.tif|a.tif"),
    ],
)
def test_a_macro_names_images(learner: Fiji, line: str, titles: str) -> None:
    for value, title in enumerate(("a.tif", "b d.tif", "c.tif")):
        shown(learner, title, value)
    figure = 'call("io.github.bioimgfiji.BioImg.figure", "titles")'
    assert learner.run_macro(f'run("{TITLE}", "steps=1 {line}"); return {figure};') == titles


def test_a_name_that_is_not_open_is_an_error(learner: Fiji) -> None:
    shown(learner, "a.tif", 1)
    with pytest.raises(MacroError, match=r'the title or the ID of an open image, but it is "x.tif"'):
        learner.run_macro(f'run("{TITLE}", "images=a.tif|x.tif");')


def test_without_any_image_the_other_inputs_are_named(learner: Fiji) -> None:
    with pytest.raises(ImageError, match="no image open") as caught:
        learner.run(TITLE, steps=1)
    assert "images or source" in caught.value.fix


def test_python_gives_images_itself(learner: Fiji) -> None:
    one, two, three = (from_array(np.full((2, 2), value, np.uint8)) for value in (1, 2, 3))
    assert learner.run(TITLE, images=[two, three]).figures["sums"] == "8|12"
    shown(learner, "active.tif", 9)
    assert learner.run(TITLE, images=[two, three.pixels]).figures["sums"] == "8|12"
    assert learner.run(TITLE, one, images=[two]).figures["sums"] == "4|8"
    assert learner.run(TITLE, image=three).figures["sums"] == "12"
    assert learner.run(TITLE, steps=1).figures["sums"] == "36"
    assert learner.run(TITLE, one, steps=1).figures["sums"] == "4"


def test_a_further_image_of_python_is_not_replaced_by_the_active_one(fiji: Fiji) -> None:
    """The target is 3 x 3: the error names its size, and not that of the active image."""
    image, target = (np.random.default_rng(0).normal(9, 1, (size, size)) for size in (64, 3))
    with pytest.raises(ImageError, match=r"\(3, 3\)\) does not match"):
        fiji.run("BioImg Train Restoration...", image, target=target, model="/tmp/never.zip", steps=1)


def test_nobody_looks_without_a_display(learner: Fiji) -> None:
    shown(learner, "a.tif", 1)
    assert learner.run(TITLE, steps=1).figures["watched"] is False


def test_a_watcher_sees_the_curves_and_ends_early(learner: Fiji) -> None:
    seen: list[Live] = []
    steps: list[float] = []

    def progress(report: Progress) -> None:
        steps.append(report.current)
        if report.current == 3:
            watcher.finish()

    watcher = Job(progress, on_live=seen.append)
    learner.watch(watcher)
    shown(learner, "a.tif", 1)
    result = learner.run(TITLE, steps=1000)
    assert result.figures["watched"] is True
    assert result.figures["steps"] == 3
    assert steps == [1, 2, 3]
    assert [live.curves["loss"] for live in seen] == [[(1, 0.5)]]
    watcher.cancel()
    with pytest.raises(JobCancelledError):
        learner.run(TITLE, steps=1000)
