"""The page served on this machine: for nobody else, of limited size and rate, with rows read in a process of its own.

What is asked of it: the page, the rows that the page sends to be read, and the program that was printed from them. No
file is served, and no text of a request is evaluated or becomes part of a page.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from rheobase.explorer.assets import wrap_program
from rheobase.explorer.reader import BUSY, Limits, Rate, Reader, one_line

__all__ = ["Rejecting", "make_app"]


_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


@final
class Guard:
    """Refuse what does not come from the page: other hosts, other origins, too much, too often, too slow."""

    def __init__(self, app: ASGIApp, port: Callable[[], int], limits: Limits) -> None:
        self._app, self._port, self._limits = app, port, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in _HEADERS if h[0] not in known)]
            await send(message)

        refused = self._refuse(scope)
        app = self._app if refused is None else refused
        with suppress(TimeoutError, ClientDisconnect):
            await asyncio.wait_for(app(scope, receive, answer), self._limits.request)

    def _refuse(self, scope: Scope) -> Response | None:
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value.decode("latin-1"))
        port = self._port()
        hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        host, origin = headers.get(b"host", []), headers.get(b"origin", [])
        if len(host) != 1 or host[0].lower() not in hosts:
            return PlainTextResponse("this server answers to localhost only", 421)
        if origin and origin != [f"http://{host[0].lower()}"]:
            return PlainTextResponse("this server answers to its own page only", 403)
        if headers.get(b"sec-fetch-site", ["none"])[0] not in ("none", "same-origin") and scope["path"] != "/":
            return PlainTextResponse("this server answers to its own page only", 403)
        if scope["method"] not in ("GET", "HEAD") and not origin:
            return PlainTextResponse("a request that sends something must say its origin", 403)
        return None


@final
class Page:
    """What the server answers: the page, rows, programs."""

    def __init__(self, document: str, policy: str, token: str, limits: Limits) -> None:
        self._document, self._policy, self._token, self._limits = document, policy, token, limits
        self._programs: OrderedDict[str, str] = OrderedDict()
        self._rate = Rate(limits)
        self.reader = Reader(limits.reading)

    async def page(self, request: Request) -> Response:
        """Return the page."""
        policy = f"{self._policy}; frame-ancestors 'none'"
        return HTMLResponse(self._document, headers={"content-security-policy": policy})

    async def program(self, request: Request) -> Response:
        """Return a program that was printed for rows the page has sent."""
        digest = request.path_params["digest"]
        if digest not in self._programs:
            return PlainTextResponse("there is no such program", 404)
        return Response(wrap_program(digest, self._programs[digest]), media_type="text/javascript")

    async def rows(self, request: Request) -> Response:
        """Return the model of rows that were typed, or the error with its caret."""
        if not secrets.compare_digest(request.headers.get("x-rheobase-token", "").encode(), self._token.encode()):
            return JSONResponse(
                {"error": "this page is from an earlier start of the server; load it again", "row": ""}, 403
            )
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return JSONResponse({"error": "rows are sent as JSON", "row": ""}, 415)
        if not self._rate.admit():
            return JSONResponse(BUSY, 429, headers={"retry-after": "1"})
        try:
            body = await asyncio.wait_for(self._body(request), self._limits.upload)
        except TimeoutError:
            return JSONResponse({"error": "the rows came too slowly", "row": ""}, 408, headers={"connection": "close"})
        if body is None:
            told = f"more than {self._limits.body} bytes are no rows of a neuron"
            return JSONResponse({"error": told, "row": ""}, 413, headers={"connection": "close"})
        line = one_line(body)
        if line is None:
            return JSONResponse({"error": "this is no JSON", "row": ""}, 400)
        told_back = await self.reader.read(line)
        if "text" in told_back:
            digest = told_back["program"]
            self._programs[digest] = told_back.pop("text")
            self._programs.move_to_end(digest)
            while len(self._programs) > self._limits.programs:
                self._programs.popitem(last=False)
        return JSONResponse(told_back, 422 if "error" in told_back else 200)

    async def _body(self, request: Request) -> bytes | None:
        """Return the body, or None once it is too long; what follows is not read."""
        told = request.headers.get("content-length", "0")
        if not re.fullmatch(r"\d{1,18}", told) or int(told) > self._limits.body:
            return None
        out = b""
        async for part in request.stream():
            out += part
            if len(out) > self._limits.body:
                return None
        return out


def make_app(document: str, policy: str, token: str, port: Callable[[], int], limits: Limits | None = None) -> ASGIApp:
    """Return the application that serves one page."""
    limits = limits or Limits()
    page = Page(document, policy, token, limits)

    routes = [
        Route("/", page.page),
        Route("/program/{digest:str}.js", page.program),
        Route("/rows", page.rows, methods=["POST"]),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await page.reader.close()

    return Guard(Starlette(routes=routes, lifespan=lifespan), port, limits)


@final
class Rejecting(H11Protocol):
    """HTTP that does not wait for ever: a connection without a request is closed after a while."""

    patience: float = Limits.headers

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._impatient = self.loop.call_later(self.patience, self._close_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        self._impatient.cancel()
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()
