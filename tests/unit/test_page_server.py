"""The page's server under what it must not do: every test speaks to a real one on this machine."""

from __future__ import annotations

import http.client
import json
import random
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

import rheobase as rb
from rheobase.errors import InputError

pytest.importorskip("starlette", reason="the server needs the extra `explore`")
pytest.importorskip("uvicorn", reason="the server needs the extra `explore`")

from rheobase.explorer.open import Explorer, serve
from rheobase.explorer.reader import Limits

GOOD = {
    "evolve": "tau dv/dt = E_L - v + R*I",
    "receive": "v <- v + w_i",
    "threshold": "v > theta",
    "reset": "v <- v_r",
    "refractory": "2 ms",
    "values": "tau = 20 ms\nR = 100 MOhm\nE_L = -70 mV\ntheta = -50 mV\nv_r = -70 mV",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Explorer]:
    with serve(limits=Limits(rate=1e6, burst=1_000_000, upload=0.5, request=20)) as page:
        yield page


@pytest.fixture(scope="module")
def token(server: Explorer) -> str:
    _, _, body = ask(server)
    found = re.search(r'"token":"([\w-]+)"', body)
    assert found
    return found[1]


def address(server: Explorer) -> tuple[str, int]:
    host, port = server.url.removeprefix("http://").rstrip("/").split(":")
    return host, int(port)


def ask(
    server: Explorer, path: str = "/", method: str = "GET", body: Any = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """Return status, headers and body; `Host` and `Origin` are set unless given."""
    connection = http.client.HTTPConnection(*address(server), timeout=20)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if data:
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data or None)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def post(server: Explorer, token: str, rows: Any, **more: str) -> tuple[int, dict[str, Any]]:
    headers = {"Origin": server.url.rstrip("/"), "Content-Type": "application/json", "X-Rheobase-Token": token} | more
    status, _, body = ask(server, "/rows", "POST", rows, **headers)
    try:
        return status, json.loads(body)
    except ValueError:
        return status, {"text": body}


def head_of(server: Explorer, token: str) -> str:
    """Return the head of a request that sends rows, but for its length."""
    host, port = address(server)
    lines = [
        "POST /rows HTTP/1.1",
        f"Host: {host}:{port}",
        f"Origin: http://{host}:{port}",
        f"X-Rheobase-Token: {token}",
    ]
    return "\r\n".join([*lines, "Content-Type: application/json", ""])


def raw(server: Explorer, text: bytes, wait: float = 5.0) -> bytes:
    """Return what comes back for bytes that need not be HTTP."""
    with socket.create_connection(address(server), timeout=wait) as s:
        s.sendall(text)
        out = b""
        try:
            while part := s.recv(65536):
                out += part
                if b"\r\n\r\n" in out and len(out) > 100:
                    break
        except (TimeoutError, ConnectionError):
            pass
        return out


def alive(server: Explorer, token: str) -> None:
    assert ask(server)[0] == 200
    assert post(server, token, GOOD)[0] == 200


def test_page_and_rows(server: Explorer, token: str) -> None:
    status, headers, body = ask(server)
    assert status == 200
    assert body.startswith("<!doctype html>")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "access-control-allow-origin" not in headers
    status, told = post(server, token, GOOD)
    assert status == 200
    assert [p["name"] for p in told["model"]["parameters"]] == ["tau", "R", "E_L", "theta", "v_r", "t_ref"]
    status, headers, program = ask(server, f"/program/{told['program']}.js")
    assert status == 200
    assert headers["content-type"].startswith("text/javascript")
    assert program.startswith(f'rheobaseProgram("{told["program"]}", ')


def test_errors_show_the_caret(server: Explorer, token: str) -> None:
    status, told = post(server, token, GOOD | {"evolve": "tau dv/dt = E_L - v + R*+*I"})
    assert status == 422
    assert told["row"] == "evolve"
    _, line, caret = told["error"].splitlines()
    assert line.strip() == "tau dv/dt = E_L - v + R*+*I"
    assert line[caret.index("^")] == "*"
    status, told = post(server, token, GOOD | {"values": GOOD["values"].replace("20 ms", "20 mss")})
    assert (status, told["row"]) == (422, "values")
    assert "Did you mean 'ms'?" in told["error"]
    assert post(server, token, GOOD | {"reset": "v <- V_r"})[1]["row"] == "reset"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example", "0.0.0.0"]
)
def test_other_hosts_are_refused(server: Explorer, token: str, host: str) -> None:
    # a name of the attacker's that resolves to 127.0.0.1 (DNS rebinding) comes with that name as Host
    port = address(server)[1]
    for name in (host, f"evil.example:{port}"):
        assert ask(server, Host=name)[0] == 421
        assert post(server, token, GOOD, Host=name)[0] == 421


def test_localhost_by_its_other_names_is_served(server: Explorer, token: str) -> None:
    port = address(server)[1]
    assert ask(server, Host=f"localhost:{port}")[0] == 200
    assert post(server, token, GOOD, Host=f"localhost:{port}", Origin=f"http://localhost:{port}")[0] == 200


def test_other_origins_are_refused(server: Explorer, token: str) -> None:
    port = address(server)[1]
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"https://127.0.0.1:{port}", "file://"):
        assert ask(server, Origin=origin)[0] == 403
        assert post(server, token, GOOD, Origin=origin)[0] == 403
    # without an origin, with a wrong token, or as a form would send it
    head = {"Content-Type": "application/json", "X-Rheobase-Token": token}
    assert ask(server, "/rows", "POST", GOOD, **head)[0] == 403
    assert post(server, "guessed", GOOD)[0] == 403
    assert post(server, token, GOOD, **{"Content-Type": "text/plain"})[0] == 415
    _, told = post(server, token, GOOD)
    assert ask(server, f"/program/{told['program']}.js", **{"Sec-Fetch-Site": "cross-site"})[0] == 403


def test_two_hosts_in_one_request_are_refused(server: Explorer) -> None:
    port = address(server)[1]
    text = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n".encode()
    assert raw(server, text).split()[1] in (b"400", b"421")


def test_ten_megabytes_are_refused_without_being_read(server: Explorer, token: str) -> None:
    big = json.dumps(GOOD | {"evolve": "v" * 10_000_000}).encode()
    begin = time.perf_counter()
    try:
        status, _ = post(server, token, big)
        assert status == 413
    except ConnectionError:
        pass  # closed while we were still sending
    # the same in pieces, without a length
    host, port = address(server)
    with socket.create_connection((host, port), timeout=10) as s:
        s.sendall(f"{head_of(server, token)}Transfer-Encoding: chunked\r\n\r\n".encode())
        try:
            for _ in range(160):
                s.sendall(b"10000\r\n" + b"v" * 65536 + b"\r\n")
        except ConnectionError:
            pass
        with suppress(ConnectionError):
            assert b" 413 " in s.recv(4096)
    assert time.perf_counter() - begin < 10
    alive(server, token)


def test_rows_at_the_limits_of_the_notation_are_refused(server: Explorer, token: str) -> None:
    for text in ("(" * 30_000, "v" + "+v" * 20_000, "-" * 40_000, "a\n" * 20_000, "exp(" * 70 + "v" + ")" * 70):
        status, told = post(server, token, GOOD | {"evolve": f"dv/dt = {text}"})
        assert status == 422, told
        assert told["error"]
    deep = b'{"evolve": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    assert post(server, token, deep)[0] in (400, 422)
    assert post(server, token, b"\xff\xfe")[0] == 400
    alive(server, token)


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/program/../../etc/passwd",
        "/program/..%2f..%2fserver.py.js",
        "/program/%00.js",
        "/program/" + "a" * 5000 + ".js",
        "/page/main.js",
        "/.git/config",
        "//etc/passwd",
        "/docs",
    ],
)
def test_no_file_is_served(server: Explorer, path: str) -> None:
    status, _, body = ask(server, path)
    assert status in (400, 404)
    assert "root:" not in body
    assert len(body) < 200


def test_other_methods_are_refused(server: Explorer, token: str) -> None:
    origin = server.url.rstrip("/")
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert ask(server, "/", method, Origin=origin)[0] == 405
    assert ask(server, "/rows", "GET")[0] == 405
    assert b"HTTP/1.1 400" in raw(server, b"\x16\x03\x01\x02\x00 this is TLS\r\n\r\n")


def test_slow_clients_do_not_hold_it_up(server: Explorer, token: str) -> None:
    """Sixty connections that say nothing, and twenty that send rows a byte at a time; meanwhile others are served."""
    host, port = address(server)
    silent = [socket.create_connection((host, port), timeout=20) for _ in range(60)]
    for s in silent[:30]:
        s.sendall(b"GET / HTTP/1.1\r\nHost: ")
    slow = []
    for _ in range(20):
        s = socket.create_connection((host, port), timeout=20)
        s.sendall(f"{head_of(server, token)}Content-Length: 500\r\n\r\n{{".encode())
        slow.append(s)
    begin = time.perf_counter()
    alive(server, token)
    assert time.perf_counter() - begin < 3
    for s in slow:  # after `upload` seconds
        assert b" 408 " in s.recv(4096)
        s.close()
    for s in silent:  # after `headers` seconds
        assert s.recv(4096)[:12] in (b"", b"HTTP/1.1 400")
        s.close()
    alive(server, token)


def test_a_thousand_malformed_rows(server: Explorer, token: str) -> None:
    """Random cuts and swaps of good rows, and texts that would do something if anything were evaluated."""
    rng = random.Random(1)
    marks = [
        "__import__('os').system('touch /tmp/rheobase_was_here')",
        "${7*7}",
        "{{7*7}}",
        "<script>",
        "\x00",
        "\u202e",
    ]
    marks += [
        "().__class__.__bases__",
        "lambda: 0",
        "v := 3",
        "f'{v}'",
        "1e999",
        "9**9**9",
        "//",
        ";;",
        "import os",
        "日本",
    ]
    refused = 0
    for _ in range(1000):
        rows = dict(GOOD)
        for _ in range(rng.randint(1, 3)):
            key = rng.choice([*rows])
            text = rows[key]
            at = rng.randrange(len(text) + 1)
            rows[key] = text[:at] + rng.choice([*marks, "", "("]) + text[at + rng.randint(0, 4) :]
        status, told = post(server, token, rows)
        assert status in (200, 422), told
        refused += status == 422
        if status == 422:
            assert "Traceback" not in told["error"]
            assert "could not be read" not in told["error"], told["error"]  # a fault of ours
    assert refused > 800
    alive(server, token)


@pytest.mark.parametrize("rows", [[], "x", 3, None, {"evolve": 3}, {"evolve": ["v"]}, {}, {"evolve": None}])
def test_json_of_another_shape(server: Explorer, token: str, rows: Any) -> None:
    status, told = post(server, token, json.dumps(rows).encode())
    assert (status, bool(told["error"])) == (422, True)


def test_script_in_a_name_does_not_become_code(server: Explorer, token: str) -> None:
    names = [
        "x</script><script>alert(1)</script>",
        "x;alert(1)",
        "x'\"",
        "constructor",
        "__proto__",
        "this",
        "x`${alert(1)}`",
    ]
    for name in names:
        rows = GOOD | {
            "evolve": GOOD["evolve"] + f" + {name}*mV",
            "values": GOOD["values"] + f"\n{name} = 1\nmV = 1 mV",
        }
        status, told = post(server, token, rows)
        if status == 200:  # names that are harmless here and reserved in JavaScript
            assert name in ("constructor", "this")
            program = ask(server, f"/program/{told['program']}.js")[2]
            assert f"{name} = $.held" not in program or name == "constructor"
        else:
            assert told["error"]


def test_rows_that_take_too_long_are_given_up() -> None:
    with serve(limits=Limits(reading=0.02, rate=1e6, burst=1000)) as page:
        found = re.search(r'"token":"([\w-]+)"', ask(page)[2])
        assert found
        status, told = post(page, found[1], GOOD)  # not even the process has started by then
        assert status == 422
        assert "take longer" in told["error"]
        assert ask(page)[0] == 200


def test_rate_is_limited() -> None:
    with serve(limits=Limits(rate=0.001, burst=5)) as page:
        found = re.search(r'"token":"([\w-]+)"', ask(page)[2])
        assert found
        got = [post(page, found[1], {"evolve": "("})[0] for _ in range(8)]
        assert got == [422] * 5 + [429] * 3
        assert ask(page)[0] == 200


def test_it_listens_to_this_machine_only(server: Explorer) -> None:
    assert address(server)[0] == "127.0.0.1"
    with pytest.raises(InputError, match="cannot be used"):
        rb.explore(port=address(server)[1], browser=False, wait=False)
    with pytest.raises(InputError, match="no port"):
        rb.explore(port=70000, browser=False, wait=False)


def test_close_ends_it() -> None:
    page = serve(rb.LIF())
    assert page.served
    page.close()
    assert not page.served
    with pytest.raises(OSError, match=r"."):
        ask(page)
