"""A real Jupyter kernel: pictures of objects, progress bars, and an interrupt that stops a job and nothing else."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from support.endpoints import ENDPOINT

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


class Notebook:
    """A notebook whose cells are run one by one."""

    def __init__(self, client: NotebookClient) -> None:
        self.client = client

    def run(self, text: str, *, interrupt: bool = False) -> Any:
        """Run a cell and give its outputs; interrupt it once it has shown something."""
        cell = nbformat.v4.new_code_cell(text)
        self.client.nb.cells.append(cell)
        ended = threading.Event()
        button = threading.Thread(target=self._interrupt, args=(cell, ended))
        if interrupt:
            button.start()
        try:
            self.client.execute_cell(cell, len(self.client.nb.cells) - 1)
        finally:
            ended.set()
            if interrupt:
                button.join()
        return cell.outputs

    def _interrupt(self, cell: Any, ended: threading.Event) -> None:
        """Do what the button with the square does; from another thread than that of the cell."""
        while not cell.outputs:
            if ended.wait(0.05):
                return
        time.sleep(0.5)  # from what is shown to what then works
        asyncio.run(self.client.km.interrupt_kernel())


def html(outputs: Any) -> list[str]:
    return [each["data"]["text/html"] for each in outputs if "text/html" in each.get("data", {})]


def printed(outputs: Any) -> str:
    return "".join(each["text"] for each in outputs if each["output_type"] == "stream" and each["name"] == "stdout")


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    client = NotebookClient(
        nbformat.v4.new_notebook(), timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    with client.setup_kernel():
        yield Notebook(client)


def test_a_notebook(notebook: Notebook) -> None:
    notebook.run(
        "import numpy as np, bioimg_fiji\nfrom bioimg_fiji import Image, Scale, open_fiji\n"
        f"fiji = open_fiji({ENDPOINT!r})\n"
        "pixels = np.random.default_rng(1).poisson(60, (160, 160)).astype(np.uint16)\n"
        "image = Image(pixels, 'yx', title='cells.tif', scales={'x': Scale(0.25, 'µm')})"
    )
    (shown,) = html(notebook.run("image"))
    assert "data:image/png;base64," in shown
    assert "0.25 µm" in shown

    training = "fiji.run('BioImg Train Denoiser...', image, model='m.zip', steps={}, batch_size=2)"
    outputs = notebook.run(f"result = {training.format(6)}")
    (bar,) = html(outputs)  # renewed in its place
    assert "<progress" in bar
    assert re.search(r"\(\d+\.\d s\)", bar)
    assert "output" in html(notebook.run("result"))[0]
    assert "licence" in html(notebook.run("bioimg_fiji.open_package('m.zip')"))[0]

    again = "fiji.run('BioImg Run Model...', image, model='m.zip', tile=64).images['output'].shape"
    assert len(html(notebook.run(again))) == 1
    assert not html(notebook.run(f"bioimg_fiji.show_progress(False)\n{again}"))
    notebook.run("bioimg_fiji.show_progress()")

    for long in (
        training.format(100_000),
        "bioimg_fiji.commands.find('train_denoiser').run({'image': image, 'model': 'n.zip', 'steps': 100000})",
        "print('begun'); fiji.run_macro('while (true) x = 1;')",
    ):
        # What is not stopped goes on for longer than a cell may.
        with pytest.raises(CellExecutionError, match="KeyboardInterrupt"):
            notebook.run(long, interrupt=True)
        assert printed(notebook.run(f"print({again})")) == "(160, 160)\n"  # the same kernel, the same Java
    assert printed(notebook.run("fiji.close(); print('closed')")) == "closed\n"
