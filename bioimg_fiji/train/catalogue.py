"""What is said of each training method: its name in keys, dialogs, packages and citations, and where it is written.

One entry here registers a method, and one file holds it. Nothing heavy is imported: commands are described from this
list without torch, and `registry.py` loads the methods themselves when something is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["denoising", "restoration", "segmentation"]


@dataclass(frozen=True)
class Entry:
    """One method.

    Parameters
    ----------
    name
        Value of the key `method`, and of `TrainConfig.method`.
    title
        As people call it.
    source
        Authors, title and place of the paper.
    doi
        Of the paper.
    home
        Module in `bioimg_fiji.train` and class, "module:Class".
    help
        A sentence for the dialog that offers it; empty where a command has one method only.
    kind
        What it is for; models are trained further by methods of their kind.
    output
        With what the titles of results end.
    frames
        Whether the network sees neighbouring frames.
    learning_rate
        Highest in a training, where none is asked for.
    """

    name: str
    title: str
    source: str
    doi: str
    home: str
    help: str = ""
    kind: Kind = "denoising"
    output: str = "denoised"
    frames: bool = False
    learning_rate: float = 1e-3

    @property
    def paper(self) -> str:
        """The paper in one line, with its doi."""
        return f"{self.source}, doi:{self.doi}"


_ENTRIES = (
    Entry(
        name="n2v",
        title="Noise2Void",
        source="Krull, Buchholz & Jug, Noise2Void, CVPR 2019",
        doi="10.1109/CVPR.2019.00223",
        home="n2v:Noise2Void",
        help="n2v (Noise2Void) needs only the noisy image; its noise must be pixel by pixel.",
    ),
    Entry(
        name="n2v2",
        title="N2V2",
        source="Hoeck et al., N2V2, ECCV Workshops 2022",
        doi="10.1007/978-3-031-25069-9_33",
        home="n2v2:N2V2",
        help="n2v2 avoids checkerboards and takes more steps.",
    ),
    Entry(
        name="structn2v",
        title="StructN2V",
        source="Broaddus et al., Structured Noise2Void, ISBI 2020",
        doi="10.1109/ISBI45749.2020.9098336",
        home="structn2v:StructN2V",
        help="structn2v is for noise along lines.",
    ),
    Entry(
        name="temporal",
        title="Temporal blind spot",
        source="Krull, Buchholz & Jug, Noise2Void (here with frames as channels), CVPR 2019",
        doi="10.1109/CVPR.2019.00223",
        home="temporal:Temporal",
        help="temporal sees neighbouring frames of a movie.",
        frames=True,
        # NB: at 1e-3 it has hardly begun to look at the frame itself after 800 steps, and flattens events.
        learning_rate=4e-3,
    ),
    Entry(
        name="n2n",
        title="Noise2Noise",
        source="Lehtinen et al., Noise2Noise, ICML 2018",
        doi="10.48550/arXiv.1803.04189",
        home="n2n:Noise2Noise",
        help="n2n (Noise2Noise) learns from repeats, or from neighbouring frames.",
    ),
    Entry(
        name="care",
        title="CARE",
        source="Weigert et al., Content-aware image restoration, Nature Methods 2018",
        doi="10.1038/s41592-018-0216-7",
        home="care:Care",
        kind="restoration",
        output="restored",
    ),
    Entry(
        name="segmentation",
        title="Segmentation",
        source="Naylor et al., Segmentation by regression of the distance map, IEEE TMI 2019",
        doi="10.1109/TMI.2018.2865709",
        home="segmentation:Segmentation",
        kind="segmentation",
        output="objects",
        learning_rate=4e-3,
    ),
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
"""All methods by name, in the order in which they are offered."""


def of_kind(kind: Kind) -> tuple[Entry, ...]:
    """Give the methods of a kind, in the order in which they are offered."""
    return tuple(entry for entry in CATALOGUE.values() if entry.kind == kind)


def learning_rate_of(name: str) -> float:
    """Give the highest learning rate of a method where none is asked for; of one that is not here, the usual one."""
    return CATALOGUE[name].learning_rate if name in CATALOGUE else Entry.learning_rate


def kind_of(name: str) -> Kind:
    """Give what a method is for; one that is not in the catalogue is taken for a denoiser."""
    return CATALOGUE[name].kind if name in CATALOGUE else "denoising"
