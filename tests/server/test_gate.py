"""Nobody gets in: every route of the server against everything that a stranger or a web page can send."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from bioimg_fiji.server.address import Access
from bioimg_fiji.server.app import App
from bioimg_fiji.server.buffers import BufferStore
from bioimg_fiji.server.options import Limits, ServeOptions
from bioimg_fiji.server.security import PUBLIC, Gate
from bioimg_fiji.server.store import JobStore
from bioimg_fiji.server.tls import Identity
from support.routes import all_routes
from support.servers import Server

pytestmark = pytest.mark.timeout(60)

ROUTES = all_routes()
HEADERS = [
    "Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cache-Control",
    "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy",
]  # fmt: skip

FAULTS: dict[str, Callable[[Server], Mapping[str, str]]] = {
    "no token": lambda server: {"Authorization": ""},
    "wrong token": lambda server: {"Authorization": "Bearer wrong"},
    "evil Host": lambda server: {"Host": f"evil.test:{server.http.base_url.port}"},
    "127.0.0.1.evil": lambda server: {"Host": f"127.0.0.1.evil.test:{server.http.base_url.port}"},
    "Host without port": lambda server: {"Host": "127.0.0.1"},
    "null Origin": lambda server: {"Origin": "null"},
    "evil Origin": lambda server: {"Origin": "http://evil.test"},
    "Origin of another port": lambda server: {"Origin": "http://127.0.0.1:1"},
    "Origin without scheme": lambda server: {"Origin": f"127.0.0.1:{server.http.base_url.port}"},
    "text/plain": lambda server: {"Content-Type": "text/plain;charset=UTF-8"},
    "form": lambda server: {"Content-Type": "application/x-www-form-urlencoded"},
    "multipart": lambda server: {"Content-Type": "Multipart/Form-Data; boundary=x"},
    "websocket": lambda server: {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
    "h2c": lambda server: {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABk"},
}
TOKEN_FAULTS = ("no token", "wrong token")


def test_all_routes_are_here() -> None:
    assert len(ROUTES) >= 25
    assert ("POST", "/v1/jobs") in ROUTES
    assert set(ROUTES) >= PUBLIC


@pytest.mark.parametrize("fault", FAULTS)
def test_every_route_refuses(server: Server, fault: str) -> None:
    for method, path in ROUTES:
        headers = FAULTS[fault](server)
        answer = server.http.request(method, path.format(id="x"), headers=headers, content=b"{}")
        if (method, path) in PUBLIC and fault in TOKEN_FAULTS and method == "GET":
            assert answer.status_code == 200
        else:
            assert answer.status_code in (401, 403), (method, path, fault, answer.text)
            assert answer.json()["error"]["code"] == "authentication"
        assert all(answer.headers.get(name) for name in HEADERS), (method, path, answer.headers)
        assert not any(name.startswith("access-control") for name in answer.headers), answer.headers
    assert server.http.get("/v1/info").status_code == 200


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PATCH", "TRACE", "CONNECT", "PROPFIND"])
def test_other_methods_are_no_way_round(server: Server, method: str) -> None:
    for path in sorted({path for verb, path in ROUTES if (verb, path) not in PUBLIC}):
        answer = httpx.request(method, server.connection.url + path.format(id="x"), trust_env=False)
        assert answer.status_code in (401, 403), (method, path)
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "field", ["Host: {host}\r\nHost: evil.test", "Host: {host}\r\nOrigin: http://{host}\r\nOrigin: null"]
)
def test_a_second_header_is_no_way_round(server: Server, field: str) -> None:
    host = f"127.0.0.1:{server.http.base_url.port}"
    head = (
        f"GET /v1/info HTTP/1.1\r\n{field.format(host=host)}\r\nAuthorization: Bearer {server.connection.token}\r\n\r\n"
    )
    assert raw(server, head).startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 "))


def test_a_second_token_is_no_way_round(server: Server) -> None:
    host = f"127.0.0.1:{server.http.base_url.port}"
    right = f"Authorization: Bearer {server.connection.token}\r\n"
    head = f"GET /v1/info HTTP/1.1\r\nHost: {host}\r\n{right}Authorization: Bearer wrong\r\n\r\n"
    assert raw(server, head).startswith(b"HTTP/1.1 401 ")


def admitted(access: Access, port: int, host: str, origin: str | None = None) -> bool:
    """Whether a gate before an empty house lets a request by that name through."""
    came = []

    async def house(scope: Scope, receive: Receive, send: Send) -> None:
        came.append(scope["path"])

    async def nothing(*_: Message) -> Message:
        return {"type": "http.request", "body": b""}

    headers = [(b"host", host.encode()), (b"authorization", b"Bearer secret")]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    scheme = "http" if access.identity is None else "https"
    scope = {"type": "http", "method": "GET", "path": "/v1/info", "scheme": scheme, "headers": headers}
    asyncio.run(Gate(house, "secret", access.hosts(port))(scope, nothing, nothing))
    return bool(came)


def test_names_are_compared_without_their_case() -> None:
    access = Access(frozenset(["GPU-Box", "127.0.0.1"]), None, "secret")
    for name in ("gpu-box", "GPU-Box", "GPU-BOX"):
        assert admitted(access, 8443, f"{name}:8443", f"http://{name}:8443")
    assert not admitted(access, 8443, "gpu-box.evil:8443")
    assert not admitted(access, 8443, "gpu-box:8443", "http://gpu-bax:8443")


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_the_default_port_may_be_left_out(scheme: str, port: int) -> None:
    identity = None if scheme == "http" else Identity(Path("cert"), Path("key"), "AB")
    access = Access(frozenset(["gpu", "::1", f"proxy:{port}", "tunnel:5000"]), identity, "secret")
    for host in ("gpu", "[::1]", "proxy"):
        assert admitted(access, port, host, f"{scheme}://{host}")
        assert admitted(access, port, f"{host}:{port}", f"{scheme}://{host}:{port}")
    assert not admitted(access, port, "tunnel")
    assert not admitted(access, port, "gpu", "http://gpu" if scheme == "https" else "https://gpu")
    assert not admitted(access, 8443, "gpu", f"{scheme}://gpu")
    assert admitted(access, 8443, "proxy", f"{scheme}://proxy")


def raw(server: Server, head: str) -> bytes:
    with socket.create_connection(("127.0.0.1", server.http.base_url.port or 0), timeout=10) as line:
        line.sendall(head.encode())
        return line.recv(4096)


def test_the_token_is_compared_in_constant_time_by_the_standard_library() -> None:
    import inspect

    from bioimg_fiji.server import security

    source = inspect.getsource(security.Gate)
    assert "hmac.compare_digest(given[0], self._token)" in source
    assert source.count("self._token") == 2  # set, and compared there


def login(server: Server, **headers: str) -> httpx.Response:
    code = server.http.post("/v1/dashboard/codes").json()["code"]
    with httpx.Client(base_url=server.connection.url, trust_env=False) as browser:
        return browser.post(
            "/v1/dashboard/login", json={"code": code}, headers={"Origin": server.connection.url} | headers
        )


def test_a_session_looks_cancels_and_finishes_and_nothing_else(server: Server) -> None:
    opened = login(server)
    assert opened.status_code == 200
    cookie = opened.headers["set-cookie"]
    assert cookie.startswith(f"bioimg-fiji-{server.http.base_url.port}=")
    for rule in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert rule in cookie
    assert "Secure" not in cookie  # by plain HTTP, on this computer, a browser would not send it back
    session = {
        "Cookie": cookie.split(";")[0],
        "X-BioImg-Session": opened.json()["key"],
        "Origin": server.connection.url,
    }
    allowed = []
    for method, path in ROUTES:
        if (method, path) in PUBLIC or path.endswith(("events", "logout")):
            continue
        status = httpx.request(
            method, server.connection.url + path.format(id="x"), headers=session, json={}, trust_env=False, timeout=60
        ).status_code
        assert status != 401, path
        if status != 403:
            allowed.append(f"{method} {path}")
    assert allowed == [
        "GET /v1/info", "GET /v1/jobs", "GET /v1/jobs/{id}/live", "GET /v1/log", "GET /v1/machine",
        "POST /v1/jobs/{id}/cancel", "POST /v1/jobs/{id}/finish", "POST /v1/models",
    ]  # fmt: skip
    assert server.process.poll() is None


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"X-BioImg-Session": ""}, 401),
        ({"X-BioImg-Session": "wrong"}, 401),
        ({"Cookie": ""}, 401),
        ({"Cookie": "bioimg-fiji-1=x"}, 401),
        ({"Cookie": 'bioimg-fiji="' + "x" * 9000}, 401),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Content-Type": "text/plain"}, 403),
    ],
)
def test_a_cookie_alone_changes_nothing(server: Server, change: dict[str, str], status: int) -> None:
    opened = login(server)
    headers = {
        "Cookie": opened.headers["set-cookie"].split(";")[0],
        "X-BioImg-Session": opened.json()["key"],
        "Origin": server.connection.url,
    }
    url = server.connection.url + "/v1/jobs/unknown/cancel"
    assert httpx.post(url, headers=headers, trust_env=False).status_code == 404  # it is let through
    assert httpx.post(url, headers=headers | change, trust_env=False).status_code == status
    del headers["Origin"]
    assert httpx.post(url, headers=headers, trust_env=False).status_code == 403


def test_a_login_comes_from_the_own_page(server: Server) -> None:
    assert login(server, **{"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert login(server, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert login(server, Origin="http://evil.test").status_code == 403
    code = server.http.post("/v1/dashboard/codes").json()["code"]
    answer = httpx.post(server.connection.url + "/v1/dashboard/login", json={"code": code}, trust_env=False)
    assert answer.status_code == 403


def test_a_code_works_once_and_a_logout_ends_the_session(server: Server) -> None:
    code = server.http.post("/v1/dashboard/codes").json()["code"]
    url, origin = server.connection.url, {"Origin": server.connection.url}
    first, second = (
        httpx.post(url + "/v1/dashboard/login", json={"code": code}, headers=origin, trust_env=False) for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (200, 401)
    assert "bioimg-fiji dashboard" in second.json()["error"]["fix"]
    session = {"Cookie": first.headers["set-cookie"].split(";")[0], "X-BioImg-Session": first.json()["key"], **origin}
    assert httpx.get(url + "/v1/jobs", headers=session, trust_env=False).status_code == 200
    ended = httpx.post(url + "/v1/dashboard/logout", headers=session, trust_env=False)
    assert ended.status_code == 204
    assert "Max-Age=0" in ended.headers["set-cookie"]
    assert httpx.get(url + "/v1/jobs", headers=session, trust_env=False).status_code == 401


@pytest.mark.parametrize("body", [{}, {"code": None}, {"code": 3}, {"code": []}, {"code": ""}, {"code": "x" * 900}])
def test_what_is_no_code(server: Server, body: dict[str, object]) -> None:
    headers = {"Origin": server.connection.url}
    answer = httpx.post(server.connection.url + "/v1/dashboard/login", json=body, headers=headers, trust_env=False)
    assert answer.status_code == 401
    answer = httpx.post(
        server.connection.url + "/v1/dashboard/login", json={"code": "x" * 2000}, headers=headers, trust_env=False
    )
    assert answer.status_code == 413


def test_under_tls_the_cookie_is_bound_to_this_host_and_to_tls(tmp_path: Path) -> None:
    store = BufferStore(tmp_path, tmp_path / "disk")
    app = App(JobStore(ServeOptions(), store, ""), store, Limits(), "", asyncio.Event())
    gate = Gate(app.build(), "token", frozenset(["127.0.0.1:8765"]), app.sessions)

    async def log_in(origin: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="https://127.0.0.1:8765") as browser:
            code = {"code": app.sessions.new_code()}
            return await browser.post("/v1/dashboard/login", json=code, headers={"Origin": origin})

    try:
        assert asyncio.run(log_in("http://127.0.0.1:8765")).status_code == 403  # the plain page is of another origin
        cookie = asyncio.run(log_in("https://127.0.0.1:8765")).headers["set-cookie"]
        assert cookie.startswith("__Host-bioimg-fiji-8765=")
        assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
    finally:
        store.close()


def test_who_watches_does_not_keep_a_server_alive(start: Callable[..., Server]) -> None:
    server = start("--idle-exit", "2")
    deadline = time.monotonic() + 40
    while server.process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            assert server.http.get("/healthz").status_code == server.http.get("/metrics").status_code == 200
        time.sleep(0.2)
    assert server.process.returncode == 0
