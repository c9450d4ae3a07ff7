"""SEG, DET and TRA of the Cell Tracking Challenge: how well cells are segmented, detected and followed.

Cells of a movie are the vertices of a graph, one for each cell and frame. Edges join a cell with itself in the next
frame (track) and a mother's last frame with a daughter's first (parent). TRA counts what must be changed in the found
graph to get the true one (AOGM, Matula et al. 2015), beside building the true one from nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.metrics.matching import HALF, Overlaps, as_labels, overlaps

SPLIT, MISSED, FALSE = 5.0, 10.0, 1.0
"""Weights of operations on vertices (Matula et al. 2015, table 3): split, add, delete."""

SURPLUS, ABSENT, WRONG = 1.0, 1.5, 1.0
"""Weights of operations on edges: delete, add, change between track and parent."""

Vertex = tuple[int, int]
"""Frame (from 0) and label."""

Parents = Mapping[int, int]
"""Label of a track to that of its mother; tracks without one are left out, or have 0."""


@dataclass(frozen=True)
class TrackingErrors:
    """What must be changed in the found graph, and the size of the true one.

    Parameters
    ----------
    splits
        Times that a found cell covers one more true cell than one.
    missed, false
        True cells that no found cell covers; found cells that cover no true one.
    surplus_edges, missing_edges, wrong_edges
        Edges to delete, to add, and to change between track and parent.
    vertices, edges
        Of the true graph.
    """

    splits: int
    missed: int
    false: int
    surplus_edges: int
    missing_edges: int
    wrong_edges: int
    vertices: int
    edges: int

    @property
    def det(self) -> float:
        """Give DET, 1 - min(AOGM of vertices, AOGM0) / AOGM0, from 0 to 1 (Ulman et al. 2017)."""
        return _share(self._on_vertices(), MISSED * self.vertices)

    @property
    def tra(self) -> float:
        """Give TRA, 1 - min(AOGM, AOGM0) / AOGM0, from 0 to 1 (Matula et al. 2015)."""
        on_edges = SURPLUS * self.surplus_edges + ABSENT * self.missing_edges + WRONG * self.wrong_edges
        return _share(self._on_vertices() + on_edges, MISSED * self.vertices + ABSENT * self.edges)

    def _on_vertices(self) -> float:
        return SPLIT * self.splits + MISSED * self.missed + FALSE * self.false


class _Frame(NamedTuple):
    """A frame's labels, and the pairs (true, found) in which the found covers more than half of the true."""

    true: tuple[int, ...]
    found: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]


def seg(truth: Iterable[NDArray[Any]], found: Iterable[NDArray[Any]]) -> float:
    """Give SEG: the mean over true objects of the overlap with the found object that covers more than half of each.

    Parameters
    ----------
    truth, found
        Movies of label images (t, ..., y, x), or any sequences of label images of equal shapes. Frames without any
        true object, which are not annotated, do not count.

    Returns
    -------
    Mean intersection over union, 0 for objects that are not covered (Ulman et al. 2017); from 0 to 1.

    Raises
    ------
    ValueError
        When the numbers of frames or shapes differ, values are no labels, or there is no true object.
    """
    total, count = 0.0, 0
    for one, other in _frames(truth, found):
        pairs = overlaps(one, other)
        covering = _covering(pairs)
        total += float(np.sum((pairs.shared / pairs.unions)[covering]))
        count += len(pairs.true)
    if not count:
        raise ValueError("the truth has no object, so SEG has no value")
    return total / count


def tracking_errors(
    truth: Iterable[NDArray[Any]],
    found: Iterable[NDArray[Any]],
    parents: Parents | None = None,
    found_parents: Parents | None = None,
) -> TrackingErrors:
    """Compare tracks, which are given as label movies and tables of parents.

    Parameters
    ----------
    truth, found
        Movies of label images (t, ..., y, x): a track has one label in all its frames.
    parents, found_parents
        Mother of each daughter, by labels; none: nothing divides.

    Returns
    -------
    Counts; `det` and `tra` are the figures of the challenge.

    Raises
    ------
    ValueError
        When movies do not fit, there is no true object, a track has a gap, or a table names labels that are not in
        the movie or a mother that ends after her daughter begins.
    """
    frames, detected, covered = _detected(truth, found)
    true_edges = _edges([frame.true for frame in frames], parents or {}, "true")
    found_edges = _edges([frame.found for frame in frames], found_parents or {}, "found")
    alone = {one: true[0] for one, true in covered.items() if len(true) == 1}
    induced = {(alone[a], alone[b]): kind for (a, b), kind in found_edges.items() if a in alone and b in alone}
    shared = induced.keys() & true_edges.keys()
    return dataclasses.replace(
        detected,
        surplus_edges=len(induced) - len(shared),
        missing_edges=len(true_edges) - len(shared),
        wrong_edges=sum(induced[edge] != true_edges[edge] for edge in shared),
        edges=len(true_edges),
    )


def detection_errors(truth: Iterable[NDArray[Any]], found: Iterable[NDArray[Any]]) -> TrackingErrors:
    """Compare the cells of each frame and no tracks: labels may change from frame to frame; there are no edges.

    Parameters and errors are those of `tracking_errors`, but those of tracks.
    """
    return _detected(truth, found)[1]


def _detected(
    truth: Iterable[NDArray[Any]], found: Iterable[NDArray[Any]]
) -> tuple[list[_Frame], TrackingErrors, dict[Vertex, list[Vertex]]]:
    """Give the frames, the errors on vertices, and the true cells that each found one covers."""
    frames = [_frame(one, other) for one, other in _frames(truth, found)]
    vertices = sum(len(frame.true) for frame in frames)
    if not vertices:
        raise ValueError("the truth has no object, so DET and TRA have no value")
    covered: dict[Vertex, list[Vertex]] = {}
    for t, frame in enumerate(frames):
        for true, other in frame.pairs:
            covered.setdefault((t, other), []).append((t, true))
    matched = sum(len(each) for each in covered.values())
    errors = TrackingErrors(
        splits=matched - len(covered),
        missed=vertices - matched,
        false=sum(len(frame.found) for frame in frames) - len(covered),
        surplus_edges=0,
        missing_edges=0,
        wrong_edges=0,
        vertices=vertices,
        edges=0,
    )
    return frames, errors, covered


def _frames(
    truth: Iterable[NDArray[Any]], found: Iterable[NDArray[Any]]
) -> Iterable[tuple[NDArray[Any], NDArray[Any]]]:
    one, other = list(truth), list(found)
    if len(one) != len(other) or not one:
        raise ValueError(f"the truth has {len(one)} frames, what was found {len(other)}: they must be the same, not 0")
    return zip(one, other, strict=True)


def _frame(truth: NDArray[Any], found: NDArray[Any]) -> _Frame:
    pairs = overlaps(as_labels(truth, "the truth"), as_labels(found, "what was found"))
    covering = _covering(pairs)
    chosen = zip(pairs.true[pairs.rows[covering]].tolist(), pairs.found[pairs.columns[covering]].tolist(), strict=True)
    return _Frame(tuple(pairs.true.tolist()), tuple(pairs.found.tolist()), tuple(chosen))


def _covering(pairs: Overlaps) -> NDArray[np.bool_]:
    """Tell in which pairs the found object covers more than half of the true one: at most one for each true one."""
    result: NDArray[np.bool_] = pairs.shared > HALF * pairs.true_sizes[pairs.rows]
    return result


def _edges(labels: list[tuple[int, ...]], parents: Parents, name: str) -> dict[tuple[Vertex, Vertex], str]:
    """Give the edges of a graph, and whether each is of a track or a parent."""
    last: dict[int, int] = {}
    first: dict[int, int] = {}
    edges: dict[tuple[Vertex, Vertex], str] = {}
    for t, present in enumerate(labels):
        for label in present:
            if label in last and last[label] != t - 1:
                raise ValueError(
                    f"the {name} track {label} has a gap before frame {t}: give what comes after it a label of "
                    f"its own, with the parent {label}"
                )
            if label in last:
                edges[(t - 1, label), (t, label)] = "track"
            first.setdefault(label, t)
            last[label] = t
    for child, parent in parents.items():
        if parent == 0:
            continue
        if child not in first or parent not in last:
            raise ValueError(f"the table of {name} parents has {child} from {parent}, which are not both in the movie")
        if last[parent] >= first[child]:
            raise ValueError(f"the {name} track {parent} does not end before its daughter {child} begins")
        edges[(last[parent], parent), (first[child], child)] = "parent"
    return edges


def _share(cost: float, whole: float) -> float:
    return 1 - min(cost, whole) / whole
