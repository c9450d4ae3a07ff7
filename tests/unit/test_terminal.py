"""What a terminal shows of a job, and what Ctrl-C does to it."""

from __future__ import annotations

import importlib
import io
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bioimg_fiji.cli import curves, pictures
from bioimg_fiji.cli.interrupt import CANCELLING, FINISHING
from bioimg_fiji.cli.live import arrange
from bioimg_fiji.cli.options import options_for
from bioimg_fiji.cli.terminal import Terminal
from bioimg_fiji.commands import find
from bioimg_fiji.errors import JobCancelledError
from bioimg_fiji.jobs import Job, Live, Preview
from support.servers import until

FALLING = [(float(step), 1.0 / step) for step in range(1, 101)]


def preview(*values: float, side: int = 64, display: tuple[float, float] = (0.0, 63.0)) -> Preview:
    """Pictures of one value each; their left upper quarter is 0."""
    pixels = []
    for value in values:
        picture = np.full((side, side), value, "<f4")
        picture[: side // 2, : side // 2] = 0
        pixels.append(picture.tobytes())
    return Preview(5, ("before", "after")[: len(values)], (side, side), display, tuple(pixels))


def live() -> Live:
    return Live({"loss": FALLING, "validation": [(50, 0.5), (100, 0.25)]}, preview(60, 30), finishable=True)


def text_of(lines: list[curves.Line]) -> list[str]:
    return ["".join(part.text for part in line) for line in lines]


def greys(line: pictures.Line) -> list[tuple[int, int]]:
    """Give the grey values of each run of characters, above and below."""
    styles = [part.style for part in line if part.style]
    return [(style.color.triplet.red, style.bgcolor.triplet.red) for style in styles]  # type: ignore[union-attr]


def terminal(width: int = 80, height: int = 24, **more: object) -> Terminal:
    """A terminal that remembers what was printed."""
    made = Terminal()
    given = {"force_terminal": True, "color_system": "truecolor", "record": True, "file": io.StringIO()} | more
    made.err = Console(width=width, height=height, highlight=False, soft_wrap=True, **given)  # type: ignore[arg-type]
    return made


def test_a_falling_curve_begins_above_and_ends_below() -> None:
    lines = text_of(curves.draw({"loss": FALLING}, 60, 13))
    assert [len(line) <= 60 for line in lines] == [True] * 13
    assert lines[0].split() == ["⠤", "loss", "0.01", "(log)"]
    plot = [line[10:].rstrip() for line in lines[1:11]]
    assert plot[0][0] != " "  # the highest value, 1, is the first
    assert len(plot[-1]) == 50  # the lowest, 0.01, is the last
    assert all(line[:10].strip(" 0123456789.┤│") == "" for line in lines[1:11])
    assert [float(lines[row].split()[0]) for row in (1, 5, 10)] == pytest.approx([1, 10 ** (-8 / 9), 0.01], rel=0.01)
    assert lines[11] == " " * 9 + "└" + "─" * 50
    assert lines[12].split() == ["1", "step", "100"]


def test_the_axis_is_logarithmic_only_where_it_can_be() -> None:
    lines = text_of(curves.draw({"score": [(0, -1.0), (10, 0.0), (20, 3.0)]}, 50, 10))
    assert lines[0].endswith("(linear)")
    assert [float(lines[row].split()[0]) for row in (1, 7)] == [3.0, -1.0]
    # Three values apart by ten: the middle one is in the middle row, as on no linear axis.
    logarithmic = text_of(curves.draw({"-": [], "a": [(0, 100.0)], "b": [(1, 10.0), (2, 1.0)]}, 50, 8))
    assert float(logarithmic[3].split()[0]) == 10.0
    assert [(row, line[10:].index("o")) for row, line in enumerate(logarithmic[1:6]) if "o" in line[10:]] == [
        (2, 20),
        (4, 39),
    ]


def test_the_second_curve_has_marks_where_its_points_are() -> None:
    lines = text_of(curves.draw({"loss": FALLING, "validation": [(1, 1.0), (50, 0.01), (100, 0.1)]}, 60, 13))
    assert "o validation 0.1" in lines[0]
    plot = [line[10:] for line in lines[1:11]]
    marks = [(row, line.index("o")) for row, line in enumerate(plot) if "o" in line]
    assert [row for row, _ in marks] == [0, 4, 9]
    assert [column for _, column in marks] == pytest.approx([0, 49, 24], abs=1)


def test_curves_differ_in_character_and_colour() -> None:
    legend = curves.draw(dict.fromkeys("abcde", FALLING), 100, 10)[0]
    heads = [part for part in legend if part.text.strip() and part.text.strip()[0] != "("]
    assert len({part.text[0] for part in heads}) == 5
    assert len({part.style.color.name for part in heads if part.style and part.style.color}) == 5


def test_noise_is_averaged_and_what_is_no_number_left_out() -> None:
    noisy = [(float(step), 0.5 + 0.4 * (-1) ** step) for step in range(2000)] + [(2000.0, float("nan"))]
    lines = text_of(curves.draw({"loss": noisy}, 60, 13))
    values = [float(lines[row].split()[0]) for row in (1, 10)]
    assert values == pytest.approx([0.3, 0.3], rel=0.2)  # the geometric mean of 0.9 and 0.1, not the two of them
    assert "nan" not in "".join(lines)


def test_in_plain_ascii() -> None:
    lines = text_of(curves.draw(live().curves, 60, 12, plain=True))
    assert all(line.isascii() for line in lines)
    assert lines[1][10] == "."


@pytest.mark.parametrize(
    "points", [[], [(1, float("nan"))], [(float("inf"), 1.0)]], ids=["none", "not a number", "endless"]
)
def test_a_curve_without_points_is_none(points: list[tuple[float, float]]) -> None:
    assert curves.draw({"loss": points}, 80, 20) == []
    assert text_of(curves.draw({"loss": points, "other": [(3, 0.5)]}, 80, 20))[0].split()[1] == "other"


def test_one_point_and_a_constant_curve() -> None:
    for points in ([(7, 0.5)], [(1, 0.5), (9, 0.5)]):
        lines = text_of(curves.draw({"loss": points}, 50, 10))
        assert sum(bool(line[10:].strip()) for line in lines[1:8]) == 1


def test_pictures_have_their_names_and_the_same_contrast() -> None:
    lines = pictures.draw(preview(63, 21, side=40), 42, 21)
    assert len(lines) == 21
    assert text_of(lines)[0] == "before" + " " * 16 + "after"
    assert set(text_of(lines)[1:]) == {"▀" * 20 + "  " + "▀" * 20}
    assert greys(lines[1]) == [(0, 0), (255, 255), (0, 0), (85, 85)]
    assert greys(lines[-1]) == [(255, 255), (85, 85)]
    assert lines[1][0].cell_length == 10  # the black quarter ends in the middle


def test_small_pictures_are_shown_whole_and_large_ones_around_the_middle() -> None:
    assert len(pictures.draw(preview(1, 2, side=16), 200, 60)) == 1 + 8
    large = pictures.draw(preview(63, 63, side=192), 82, 21)
    black = [line for line in large[1:] if greys(line)[0] == (0, 0)]
    assert len(black) == 10  # of 20: the quarter's edge stays in the middle
    assert black[0][0].cell_length == 20


def test_a_display_range_that_is_none_is_taken_from_the_pixels() -> None:
    pixels = np.array([[float("nan")] * 16, [10.0] * 16] * 4 + [[20.0] * 16] * 8, "<f4")
    for display in ((0.0, 0.0), (float("nan"), 1.0)):
        lines = pictures.draw(Preview(1, ("one",), (16, 16), display, (pixels.tobytes(),)), 20, 20)
        assert [greys(lines[row]) for row in (1, -1)] == [[(0, 0)], [(255, 255)]]


def test_pixels_that_are_too_few_are_no_picture() -> None:
    assert pictures.draw(Preview(1, ("a",), (64, 64), (0, 1), (b"1234",)), 80, 30) == []
    assert pictures.draw(Preview(1, (), (64, 64), (0, 1), ()), 80, 30) == []


@pytest.mark.parametrize("width", [1, 20, 31, 40, 60, 80, 120, 200, 400])
@pytest.mark.parametrize("grey", [True, False])
def test_all_is_within_the_window(width: int, grey: bool) -> None:
    for rows in (-1, 0, 1, 5, 6, 12, 13, 22, 48, 100):
        lines = text_of(arrange(live(), width, rows, plain=False, grey=grey))
        assert len(lines) <= max(0, rows)
        assert max(map(len, lines), default=0) <= width
        shown = any("loss" in line for line in lines)
        assert shown is (width >= curves.LEAST_WIDTH and rows >= curves.LEAST_ROWS)
        assert grey or not any("▀" in line for line in lines)


@pytest.mark.parametrize(
    ("width", "rows", "beside"), [(80, 22, False), (200, 22, True), (60, 48, False), (160, 13, True)]
)
def test_pictures_stand_where_they_are_larger(width: int, rows: int, beside: bool) -> None:
    lines = text_of(arrange(live(), width, rows, plain=False, grey=True))
    names = next(line for line in lines if "before" in line)
    assert names.index("after") > names.index("before")
    assert ("loss" in names) is beside


def test_a_job_with_curves_in_a_terminal() -> None:
    shown = terminal(100, 30)
    with shown.job() as job:
        assert job.watched
        job.progress("Training", 40, 100, loss=0.25, validation=0.3)
        job.show(live())
        job.note("A sentence.")
    text = shown.err.export_text()
    for part in ("Training", "40/100", "loss 0.25, validation 0.3", "⠤ loss 0.01", "o validation 0.25", "before"):
        assert part in text, part
    assert text.index("A sentence.") < text.rindex("o validation")


@pytest.mark.parametrize(
    ("more", "pictured"),
    [
        ({"color_system": "256"}, True),
        ({"color_system": "standard"}, False),
        ({"color_system": None}, False),
        ({"no_color": True}, False),
    ],
)
def test_pictures_only_where_there_are_greys(more: dict[str, object], pictured: bool) -> None:
    shown = terminal(**more)
    with shown.job() as job:
        job.progress("Training", 1, 2)
        job.show(live())
    text = shown.err.export_text()
    assert ("▀" in text) is pictured
    assert "o validation" in text


def test_a_file_gets_plain_lines_and_no_previews() -> None:
    shown = terminal(width=200, force_terminal=False)
    with shown.job() as job:
        assert not job.watched
        for step in range(1, 101):
            job.progress("Training", step, 100, loss=0.5, validation=0.25, seconds_left=3)
        job.progress("Writing the model")
    lines = shown.err.export_text().splitlines()
    assert lines[0] == "Training 1/100 loss 0.5, validation 0.25, 3 s left"
    assert lines[-2:] == ["Training 100/100 loss 0.5, validation 0.25, 3 s left", "Writing the model"]
    assert len(lines) < 100


def test_a_quiet_terminal_asks_for_no_previews() -> None:
    with Terminal(quiet=True).job() as job:
        assert not job.watched


@pytest.fixture
def handlers() -> Iterator[Callable[[], list[object]]]:
    """What SIGINT and SIGTERM do now; it is the same after the test."""

    def now() -> list[object]:
        return [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background, ignored
    try:
        before = now()
        yield now
        assert now() == before
    finally:
        signal.signal(signal.SIGINT, inherited)


def test_ctrl_c_finishes_then_cancels_then_interrupts(handlers: Callable[[], list[object]]) -> None:
    shown = terminal(force_terminal=False)
    before = handlers()

    def work() -> None:
        with shown.job(finishable=True) as job:
            assert not job.finishing
            signal.raise_signal(signal.SIGINT)
            assert job.finishing
            assert not job.cancelled
            until(lambda: FINISHING in shown.err.export_text(clear=False))
            signal.raise_signal(signal.SIGINT)
            assert job.cancelled
            until(lambda: CANCELLING in shown.err.export_text(clear=False))
            assert handlers()[0] == before[0]
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the third one interrupts")

    with pytest.raises(KeyboardInterrupt):
        work()


def test_ctrl_c_in_a_job_that_ends_leaves_all_as_it_was(handlers: Callable[[], list[object]]) -> None:
    shown = terminal()
    before = handlers()
    with shown.job(finishable=True) as job:
        assert handlers() != before
        signal.raise_signal(signal.SIGINT)
        until(lambda: FINISHING in shown.err.export_text(clear=False))
        job.progress("Training", 5, 5)
    assert handlers() == before


def test_sigterm_cancels(handlers: Callable[[], list[object]]) -> None:
    before = handlers()

    def work() -> None:
        with terminal().job(finishable=True) as job:
            signal.raise_signal(signal.SIGTERM)
            assert handlers()[1] == before[1]
            job.check()
            pytest.fail("it is cancelled")

    with pytest.raises(JobCancelledError):
        work()


def test_ctrl_c_after_sigterm_does_not_speak_of_finishing(handlers: Callable[[], list[object]]) -> None:
    shown = terminal(force_terminal=False)
    before = handlers()
    with shown.job(finishable=True) as job:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        until(lambda: CANCELLING in shown.err.export_text(clear=False))
        assert not job.finishing
        assert handlers() == before


def test_a_job_that_cannot_finish_is_interrupted_at_once(handlers: Callable[[], list[object]]) -> None:
    before = handlers()

    def work() -> None:
        with terminal().job():
            assert handlers() == before
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it interrupts")

    with pytest.raises(KeyboardInterrupt):
        work()


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with terminal().job(finishable=True) as job:
            signal.raise_signal(signal.SIGINT)
            assert not job.finishing
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_on_another_thread_no_handler_is_set(handlers: Callable[[], list[object]]) -> None:
    before, jobs = handlers(), list[Job]()

    def work() -> None:
        with terminal(force_terminal=False).job(finishable=True) as job:
            assert handlers() == before
            jobs.append(job)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(jobs) == 1


def test_a_cancelled_command_tells_what_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(error: BaseException) -> str:
        def work(**_: object) -> None:
            raise error

        main = importlib.import_module("bioimg_fiji.cli.main")  # the package's own name is the function
        monkeypatch.setattr(main.group, "main", work)
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert ended.value.code == main.EXIT_CANCELLED
        return capsys.readouterr().err

    kept = JobCancelledError("The job was cancelled.", fix="It goes on from [a].checkpoint.")
    assert stop(kept) == "Cancelled. It goes on from [a].checkpoint.\n"
    assert stop(KeyboardInterrupt()) == "Cancelled.\n"


def test_a_file_or_folder_is_a_path_on_the_command_line() -> None:
    (source,) = (each for each in options_for(find("train_denoiser")) if each.name == "source")
    assert source.type.convert("a/cells.zarr", source, None) == Path("a/cells.zarr")
