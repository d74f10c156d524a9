"""An application on a port until a signal ends it, and what its every request passes.

That is the check of host and token, headers, the access log and the counters.
"""

import asyncio
import hmac
import json
import logging
import resource
import signal
import socket
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.addresses import HEADERS, is_named
from pipeline.serve.errors import RequestError
from trainer.common.text import first_line, printable, shorten

ACCESS = logging.getLogger("iadb.access")
KEEP_ALIVE = 75  # seconds that an idle connection stays open, since clients keep them in a pool

Count = Callable[[str, int, float], None]  # gets protocol, status and seconds of a request


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        token: that requests must carry; None for no check.
        names: allowed values of the header Host, without a port; None: any. On loopback they keep
            a foreign site from pointing a name of its own here.
        free: paths that need no token: health, and pages that contain nothing of the model.
    """

    token: str | None
    names: list[str] | None
    free: Set[str] = frozenset()


def make_app(routes: Sequence[Route], access: Access, count: Count | None = None) -> Starlette:
    """The application of some paths."""
    return Starlette(
        routes=routes,
        middleware=[Middleware(Observed, count), Middleware(Guard, access)],
        exception_handlers={
            RequestError: _explain,
            HTTPException: _explain,
            ClientDisconnect: lambda request, error: Response(status_code=499),
        },
    )


def make_server(app: Starlette, patience: float) -> uvicorn.Server:
    """The HTTP server of the application.

    Args:
        app: to run.
        patience: seconds at the end for requests in progress.
    """
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(int(patience), 1),
    )
    return uvicorn.Server(config)


def run(app: Starlette, listening: socket.socket, patience: float) -> None:
    """Answers on a socket until SIGINT or SIGTERM, then ends the requests in progress."""
    # Idle connections, each a descriptor, then keep nobody from an answer, health included.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # uvicorn raises the signal again at its end, for the handlers from before.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in handlers:
            signal.signal(number, lambda *_: None)
        asyncio.run(make_server(app, patience).serve([listening]))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(json.dumps(content), status, headers, "application/json")


def _explain(request: Request, error: Exception) -> Response:
    """An error as TensorFlow Serving writes it."""
    if isinstance(error, HTTPException):
        text = f"{error.detail}: {request.method} {printable(shorten(request.scope['path']))}"
        return as_json({"error": text}, error.status_code, dict(error.headers or {}))
    assert isinstance(error, RequestError)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return as_json({"error": str(error)}, error.status, headers)


class Guard:
    """Requires the token, except for what is free.

    What asks for another host is rejected: a foreign site may have pointed a name of its own here.

    What another site sends from a browser is rejected: it could not read the answer, but occupy the
    server.

    Args:
        app: that answers what is not rejected.
        access: who may ask.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or passes it on."""
        if scope["type"] == "http" and (refused := self._refuse(Request(scope))):
            await refused(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refuse(self, request: Request) -> Response | None:
        token, names = self._access.token, self._access.names
        host = request.headers.get("Host", "")
        if not is_named(host, names):
            text = (
                f"the header Host names {printable(shorten(host)) or 'nothing'}; allowed are "
                f"{', '.join(dict.fromkeys(names))}, and any with --host 0.0.0.0 and a token"
            )
            return as_json({"error": text}, 400)
        site = request.headers.get("Sec-Fetch-Site", "none")
        if request.method not in ("GET", "HEAD") and site not in ("none", "same-origin"):
            return as_json({"error": "requests from other sites are not answered"}, 403)
        # request.url is made from the header Host too, which a client chooses.
        if token is None or request.scope["path"] in self._access.free:
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), token.encode())
        if scheme.lower() == "bearer" and right:
            return None
        return as_json(
            {"error": "expected the header Authorization: Bearer TOKEN"},
            401,
            {"WWW-Authenticate": "Bearer"},
        )


class Observed:
    """Adds headers, answers unexpected errors, writes the access log and counts.

    Args:
        app: that answers.
        count: gets each request; None for no counters.
    """

    def __init__(self, app: ASGIApp, count: Count | None) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0
        scope["state"] = {**scope.get("state", {}), "about": ""}

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in HEADERS.items()
                        if name.lower().encode() not in given
                    ),
                ]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception as error:
            ACCESS.exception("request failed")
            if not status:
                answer = as_json({"error": f"{type(error).__name__}: {first_line(error)}"}, 500)
                await answer(scope, receive, observed)
        finally:
            self._record(scope, status, time.monotonic() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        protocol = scope["path"].lstrip("/").partition("/")[0]  # OPTIONS has a path *
        if self._count:
            self._count(protocol if protocol == "v1" else "other", status, seconds)
        client = scope["client"][0] if scope.get("client") else "-"
        ACCESS.info(
            "%s %s %s %d %.1f ms %s",
            client,
            scope["method"],
            printable(shorten(scope["path"])),
            status,
            1000 * seconds,
            scope["state"]["about"],
        )
