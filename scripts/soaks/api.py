"""Requests made from the server's own OpenAPI document, right and wrong ones, held against it by schemathesis.

Every answer must be one that the document has, of the form that it says; nothing is answered by 500, wrong requests are
refused, and no request without the token is answered.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from programs.served import served

SHORT, LONG = 8, 400
CONFIG = """
headers = { Authorization = "Bearer ${BIOIMG_TOKEN}" }
suppress-health-check = ["all"]
request-timeout = 60

# Whether a command knows its keys, and whether axes fit a shape, is for the server to say (400): no schema has it.
[checks]
positive_data_acceptance.enabled = false
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 409, 413, 507]
missing_required_header.expected-statuses = [400, 401, 403, 404, 413]
"""
# What would end the server, and the way in for browsers, which asks for an Origin that no document can describe.
EXCLUDED = ("/v1/shutdown", "/v1/dashboard/login", "/v1/dashboard/logout", "/v1/dashboard/codes")


def run(soak: Any) -> dict[str, Any]:
    """Send them; `count` is how many examples for each operation."""
    count = soak.count or (SHORT if soak.short else LONG)
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (http, told):
        (Path(name) / "schemathesis.toml").write_text(CONFIG, "utf-8")
        line = [
            *(sys.executable, "-m", "schemathesis.cli", "run", told["url"] + "/v1/openapi.json"),
            *("--max-examples", str(count), "--seed", str(soak.seed), "--phases", "examples,coverage,fuzzing"),
            *("--generation-database", "none", "--continue-on-failure", "--no-color"),
            *(part for path in EXCLUDED for part in ("--exclude-path", path)),
        ]
        environment = os.environ | {"BIOIMG_TOKEN": told["token"], "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(line, cwd=name, env=environment, capture_output=True, text=True, check=False)
        wrong = [] if done.returncode == 0 else [done.stdout[-20_000:] + done.stderr[-2000:]]
        if http.get("/v1/info").json()["pid"] != told["pid"]:
            wrong.append("the server is another process")
        cases = re.search(r"(\d+) generated", done.stdout)
        operations = re.search(r"Operations: +(\d+) selected", done.stdout) or re.search(
            r"Selected: (\d+)", done.stdout
        )
        return {
            "cases": int(cases[1]) if cases else 0,
            "operations": int(operations[1]) if operations else 0,
            "wrong": wrong,
        }
