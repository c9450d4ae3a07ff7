"""SEG, DET and TRA against py-ctcmetrics, and by hand."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ctc_metrics.metrics import det, tra
from ctc_metrics.metrics import seg as seg_of_ctc
from ctc_metrics.scripts.evaluate import match_computed_to_reference_masks
from ctc_metrics.utils.representations import count_acyclic_graph_correction_operations
from hypothesis import given, settings
from hypothesis import strategies as st

from bioimg_fiji.metrics import TrackingErrors, seg, tracking_errors

NAMES = {
    "NS": "splits",
    "FN": "missed",
    "FP": "false",
    "ED": "surplus_edges",
    "EA": "missing_edges",
    "EC": "wrong_edges",
    "num_vertices": "vertices",
    "num_edges": "edges",
}


def table(movie: np.ndarray, parents: Mapping[int, int]) -> np.ndarray:
    """Give the rows of a man_track.txt: label, first frame, last frame, parent."""
    rows = []
    for label in np.unique(movie)[1:]:
        frames = np.flatnonzero((movie == label).any(axis=tuple(range(1, movie.ndim))))
        rows.append((label, frames[0], frames[-1], parents.get(int(label), 0)))
    return np.array(rows).reshape(-1, 4)


def assert_as_ctc(
    truth: np.ndarray, found: np.ndarray, parents: Mapping[int, int], found_parents: Mapping[int, int], folder: Path
) -> TrackingErrors:
    """Compare all counts and figures; the oracle reads files, in which a background must be seen."""
    folder.mkdir()
    for name, movie in (("truth", truth), ("found", found)):
        assert (movie == 0).any(axis=tuple(range(1, movie.ndim))).all()
        for t, frame in enumerate(movie):
            tifffile.imwrite(folder / f"{name}{t:03}.tif", frame.astype(np.int32))
    files = [[str(folder / f"{name}{t:03}.tif") for t in range(len(truth))] for name in ("truth", "found")]
    matched = match_computed_to_reference_masks(*files, threads=1)
    ious = matched.pop("ious")
    wanted = count_acyclic_graph_correction_operations(
        ref_tracks=table(truth, parents), comp_tracks=table(found, found_parents), **matched
    )
    ours = tracking_errors(truth, found, parents, found_parents)
    assert dataclasses.asdict(ours) == {ours_: int(wanted[theirs]) for theirs, ours_ in NAMES.items()}
    assert ours.det == pytest.approx(det(**wanted), abs=1e-6)
    assert ours.tra == pytest.approx(tra(**wanted)[0], abs=1e-6)
    assert seg(truth, found) == pytest.approx(seg_of_ctc(matched["labels_ref"], ious), abs=1e-6)
    return ours


def dividing() -> np.ndarray:
    """Give two cells, the first of which divides into 3 and 4 in the third frame."""
    movie = np.zeros((5, 40, 40), np.uint16)
    movie[:2, 5:15, 5:15] = 1
    movie[2:, 5:15, 2:8], movie[2:, 5:15, 12:18] = 3, 4
    movie[:, 25:35, 20:30] = 2
    return movie


PARENTS = {3: 1, 4: 1}


def test_the_truth_is_perfect_whatever_its_numbers() -> None:
    movie = dividing()
    found = tracking_errors(movie, np.array([0, 70, 5, 12, 9])[movie], PARENTS, {12: 70, 9: 70})
    assert found == TrackingErrors(0, 0, 0, 0, 0, 0, vertices=13, edges=11)
    assert found.det == found.tra == seg(movie, movie) == 1


def test_errors_by_hand() -> None:
    movie = dividing()
    lost = np.where(movie == 2, 0, movie)  # 5 vertices, 4 edges
    found = tracking_errors(movie, lost, PARENTS, PARENTS)
    assert found == TrackingErrors(0, 5, 0, 0, 4, 0, 13, 11)
    assert found.det == pytest.approx(1 - 50 / 130)
    assert found.tra == pytest.approx(1 - (50 + 6) / (130 + 16.5))
    assert seg(movie, lost) == pytest.approx(8 / 13)

    undivided = tracking_errors(movie, movie, PARENTS)  # the daughters' edges are missing
    assert (undivided.missing_edges, undivided.det) == (2, 1)
    one_goes_on = np.where(movie == 3, 1, movie)
    found = tracking_errors(movie, one_goes_on, PARENTS, {})
    assert (found.wrong_edges, found.missing_edges) == (1, 1)  # a track where a parent should be

    merged = movie.copy()
    merged[2:, 5:15, 2:18] = 3  # one object over both daughters
    found = tracking_errors(movie, merged, PARENTS, {3: 1})
    assert (found.splits, found.missed, found.false) == (3, 0, 0)
    nothing = tracking_errors(movie, np.zeros_like(movie), PARENTS)
    assert nothing.det == nothing.tra == seg(movie, np.zeros_like(movie)) == 0


def test_errors_by_hand_as_ctc(tmp_path: Path) -> None:
    movie = dividing()
    merged = movie.copy()
    merged[2:, 5:15, 2:18] = 3
    swapped = movie.copy()
    swapped[3:] = np.array([0, 1, 4, 3, 2])[swapped[3:]]
    assert_as_ctc(movie, np.where(movie == 2, 0, movie), PARENTS, PARENTS, tmp_path / "lost")
    assert_as_ctc(movie, merged, PARENTS, {3: 1}, tmp_path / "merged")
    assert_as_ctc(movie, np.where(movie == 3, 1, movie), PARENTS, {}, tmp_path / "on")
    assert assert_as_ctc(movie, swapped, PARENTS, PARENTS, tmp_path / "swapped").surplus_edges == 2


def tracked(labels: np.ndarray, frames: int, rng: np.random.Generator) -> tuple[np.ndarray, dict[int, int]]:
    """Let the objects of a mask drift, begin, end, and be followed by daughters: a movie and its parents."""
    movie = np.stack([np.roll(labels, (2 * t, t), (0, 1)) for t in range(frames)]).astype(np.int32)
    parents: dict[int, int] = {}
    new = int(labels.max())
    for label in np.unique(labels)[1:]:
        start = int(rng.integers(0, frames))
        if rng.random() < 0.3:
            movie[:start][movie[:start] == label] = 0
        elif rng.random() < 0.5 and start > 0:
            later = movie[start:]
            new += 1
            later[later == label] = new
            parents[new] = int(label)
    return movie, parents


def broken(
    movie: np.ndarray, parents: Mapping[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, dict[int, int]]:
    """Shift objects, lose and merge some, and give some tracks a new label halfway; parents are mostly kept."""
    found = np.roll(movie, int(rng.integers(0, 3)), 1)
    numbers = rng.permutation(np.unique(found)[1:])
    few = max(len(numbers) // 6, 1)
    found[np.isin(found, numbers[:few])] = 0
    for one, other in zip(numbers[few : 2 * few], numbers[2 * few : 3 * few], strict=False):
        both = [np.isin(label, frame) for frame in found for label in (one, other)]
        if all(both):
            found[found == one] = other
    for new, label in enumerate(numbers[3 * few : 5 * few], int(movie.max()) + 1):
        later = found[len(found) // 2 :]
        later[later == label] = new
    spans = {int(row[0]): row for row in table(found, {})}
    kept = {
        child: parent
        for child, parent in parents.items()
        if child in spans and parent in spans and spans[parent][2] < spans[child][1] and rng.random() < 0.8
    }
    return found, kept


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_random_movies_as_ctc(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.zeros((48, 48), np.int32)
    for number in range(1, 13):
        row, column = rng.integers(0, 40, 2)
        labels[row : row + 8, column : column + rng.integers(3, 9)] = number
    truth, parents = tracked(labels, 6, rng)
    found, found_parents = broken(truth, parents, rng)
    with tempfile.TemporaryDirectory() as folder:
        errors = assert_as_ctc(truth, found, parents, found_parents, Path(folder) / "movie")
    assert 0 <= errors.tra < 1


def test_real_masks_as_ctc(shared_data: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, file in enumerate(sorted((shared_data / "nuclei" / "masks").glob("*.tif"))[::20]):
        truth, parents = tracked(tifffile.imread(file), 4, rng)
        found, found_parents = broken(truth, parents, rng)
        assert_as_ctc(truth, found, parents, found_parents, tmp_path / str(number))


def test_what_has_no_value_is_refused() -> None:
    movie = dividing()
    gap = movie.copy()
    gap[2][gap[2] == 2] = 0
    with pytest.raises(ValueError, match="found track 2 has a gap before frame 3"):
        tracking_errors(movie, gap)
    with pytest.raises(ValueError, match="true parents has 8 from 1"):
        tracking_errors(movie, movie, {8: 1})
    with pytest.raises(ValueError, match="track 2 does not end before its daughter 3"):
        tracking_errors(movie, movie, {3: 2})
    with pytest.raises(ValueError, match="5 frames, what was found 4"):
        tracking_errors(movie, movie[1:])
    with pytest.raises(ValueError, match="no object"):
        tracking_errors(0 * movie, movie)
    with pytest.raises(ValueError, match="no object"):
        seg(0 * movie, movie)
    assert tracking_errors(movie, movie, {3: 0}, {}).missing_edges == 0  # 0 is no mother
