"""What the server counts of itself, as Prometheus reads it (`GET /metrics`).

Lives here: the counters of one server process, and the look at what is counted anew for each answer (jobs by state,
memory, free disk). Lives not here: the decisions that are counted. prometheus-client writes the text form.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bioimg_fiji.server.gpus import gpus

REGISTRY = CollectorRegistry(auto_describe=True)

_SECONDS = (0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})

WAITED = Histogram(
    "bioimg_fiji_job_wait_seconds",
    "From a job's coming to its start.",
    ["command"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
RAN = Histogram(
    "bioimg_fiji_job_run_seconds", "From a job's start to its end.", ["command"], buckets=_SECONDS, registry=REGISTRY
)
ENDED = Counter("bioimg_fiji_jobs_ended", "Jobs that have ended.", ["command", "state"], registry=REGISTRY)
DEATHS = Counter("bioimg_fiji_worker_deaths", "Workers that died with a job.", ["signal"], registry=REGISTRY)
BYTES = Counter("bioimg_fiji_body_bytes", "Bytes of request and answer bodies.", ["direction"], registry=REGISTRY)
REQUESTS = Counter("bioimg_fiji_requests", "Requests by method and status.", ["method", "status"], registry=REGISTRY)
REFUSED = Counter("bioimg_fiji_refusals", "Requests that were refused, by reason.", ["reason"], registry=REGISTRY)

REASONS = {413: "too_large", 429: "busy", 503: "ending", 507: "no_space"}
"""Statuses of refusals that are decided behind the gate."""


def answered(method: str, status: int) -> None:
    """Count an answer."""
    REQUESTS.labels(method if method in _METHODS else "other", str(status)).inc()
    if status in REASONS:
        REFUSED.labels(REASONS[status]).inc()


class Sight(Collector):
    """What is looked at anew for each answer.

    Parameters
    ----------
    jobs
        Gives how many jobs are in each state.
    folders
        Folders whose disks must not get full, by name.
    """

    def __init__(self, jobs: Callable[[], Mapping[str, int]], folders: Mapping[str, Path]) -> None:
        self._jobs, self._folders = jobs, folders

    def collect(self) -> Iterable[Metric]:
        """Give the gauges."""
        yield _gauge("bioimg_fiji_jobs", "Jobs that the server knows, by state.", "state", self._jobs())
        yield _gauge("bioimg_fiji_resident_bytes", "Resident memory, by process.", "process", _resident())
        free = {name: free_bytes(folder) for name, folder in self._folders.items()}
        yield _gauge("bioimg_fiji_free_bytes", "Free space for pixels, by place.", "place", free)
        if found := {str(number): gpu for number, gpu in enumerate(gpus())}:
            used, total = ({name: gpu[kind] for name, gpu in found.items()} for kind in ("used", "total"))
            yield _gauge("bioimg_fiji_gpu_used_bytes", "GPU memory in use, by anybody.", "gpu", used)
            yield _gauge("bioimg_fiji_gpu_bytes", "GPU memory.", "gpu", total)
        yield GaugeMetricFamily("bioimg_fiji_workers", "Worker processes.", value=workers())


def free_bytes(folder: Path) -> int:
    """Give the free space on the disk of a folder that need not exist yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def workers() -> int:
    """Give the number of living child processes: those that work, and the one that waits."""
    return sum(_lives(child) for child in psutil.Process().children())


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _resident() -> dict[str, int]:
    process = psutil.Process()
    workers = 0
    for child in process.children(recursive=True):
        try:
            workers += child.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return {"server": process.memory_info().rss, "workers": workers}


def _gauge(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family
