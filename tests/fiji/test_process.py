"""Opening, closing and ending, each in a process of its own: Java starts once per process."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.python import run_python


@pytest.mark.parametrize("closing", ["with open_fiji('embedded') as f:", "f = open_fiji('embedded')\nif True:"])
def test_the_process_ends_after_a_filter_that_leaves_threads(closing: str) -> None:
    done = run_python(
        "import numpy as np\nfrom bioimg_fiji import open_fiji\n"
        f"{closing}\n"
        "    f.run('Gaussian Blur...', np.zeros((300, 300), np.float32), sigma=3)\n"
        "    print('blurred', f.version)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("blurred 1.54p")


def test_the_process_ends_after_an_error_and_an_endless_java_thread() -> None:
    done = run_python(
        "from bioimg_fiji import open_fiji\nimport jpype\n"
        "f = open_fiji('embedded')\n"
        "@jpype.JImplements('java.lang.Runnable')\n"
        "class Sleep:\n"
        "    @jpype.JOverride\n"
        "    def run(self):\n"
        "        jpype.JClass('java.lang.Thread').sleep(10**9)\n"
        "jpype.JClass('java.lang.Thread')(Sleep()).start()\n"
        "f.run_macro('exit(\"no\");')\n"
    )
    assert done.returncode == 1
    assert "MacroError" in done.stderr


def test_one_java_per_process(tmp_path: Path) -> None:
    done = run_python(
        "from bioimg_fiji import open_fiji\nfrom bioimg_fiji.errors import EndpointError\n"
        "first = open_fiji('embedded')\n"
        "assert open_fiji('embedded') is first\n"
        "first.close()\n"
        "try:\n    first.run_macro('')\nexcept EndpointError as error:\n    print(error)\n"
        "second = open_fiji('embedded')\n"
        "assert second is not first\n"
        "assert second.run_macro('return \"6\" + 1;') == '61'\n"
        "for other in (dict(endpoint='sc.fiji:fiji'), dict(endpoint='embedded', headless=False)):\n"
        "    try:\n        open_fiji(**other)\n    except EndpointError as error:\n        print(error)\n",
        DISPLAY=":0",
    )
    assert done.returncode == 0, done.stderr
    assert "closed" in done.stdout
    assert done.stdout.count("Java cannot be started twice") == 2


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("/nowhere/Fiji.app", "is no folder"),
        ("Fiji", "nor Maven coordinates"),
        (".", "is not a Fiji"),
    ],
)
def test_wrong_endpoints_say_what_is_expected(endpoint: str, text: str, tmp_path: Path) -> None:
    from bioimg_fiji.errors import EndpointError
    from bioimg_fiji.fiji import find_endpoint

    with pytest.raises(EndpointError, match=text) as caught:
        find_endpoint(tmp_path if endpoint == "." else endpoint)
    assert "embedded" in caught.value.fix


def test_endpoint_is_looked_for_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private_places: Path
) -> None:
    from bioimg_fiji.fiji import endpoint

    folder = tmp_path / "unpacked" / "My microscope"
    for part in ("plugins", "jars"):
        (folder / part).mkdir(parents=True)
    (folder / "jars" / "ij-1.54p.jar").touch()
    monkeypatch.setattr(endpoint, "usual_places", lambda: iter([tmp_path / "none", folder]))
    assert endpoint.find_endpoint() == str(folder)
    (private_places / "settings.toml").write_text('endpoint = "sc.fiji:fiji:2.17.0"\n')
    assert endpoint.find_endpoint() == "sc.fiji:fiji:2.17.0"
    monkeypatch.setenv("BIOIMG_FIJI_ENDPOINT", "embedded")
    assert endpoint.find_endpoint() == "embedded"
    assert endpoint.find_endpoint(folder.parent) == str(folder)  # the folder that a zip file was unpacked into


def test_no_display_no_windows() -> None:
    done = run_python(
        "import os\nos.environ.pop('DISPLAY', None)\n"
        "from bioimg_fiji import open_fiji\nopen_fiji('embedded', headless=False)\n"
    )
    assert done.returncode == 1
    assert "There is no display" in done.stderr


def test_no_network_is_needed_the_second_time(cached: None) -> None:
    done = run_python(
        "from bioimg_fiji import open_fiji\n"
        "with open_fiji('embedded') as f:\n    print(f.run_macro('return getVersion();'))\n",
        http_proxy="http://127.0.0.1:9",
        https_proxy="http://127.0.0.1:9",
        JAVA_TOOL_OPTIONS=" ".join(f"-Dhttp{s}.proxyHost=127.0.0.1 -Dhttp{s}.proxyPort=9" for s in ("", "s")),
    )
    assert done.returncode == 0, done.stderr
    assert "1.54p" in done.stdout
