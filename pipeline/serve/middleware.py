"""What every request passes: the check of the token, headers, the access log and the counters."""

import hmac
import json
import logging
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.addresses import HEADERS, is_named
from pipeline.serve.metrics import Metrics
from trainer.common.text import first_line, printable, shorten

ACCESS = logging.getLogger("iadb.access")


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(json.dumps(content), status, headers, "application/json")


class Guard:
    """Requires the token, except for health and pages, which contain nothing of the model.

    What asks for another host is rejected: a foreign site may have pointed a name of its own here.

    What another site sends from a browser is rejected: it could not read the answer, but occupy the
    server.

    Args:
        app: that answers what is not rejected.
        token: that requests carry; None for no check.
        names: allowed values of the header Host, without a port; None: any.
        pages: paths that need no token.
    """

    def __init__(
        self, app: ASGIApp, token: str | None, names: list[str] | None, pages: set[str]
    ) -> None:
        self._app = app
        self._token = token
        self._names = names
        self._open = {"/healthz", "/readyz", *pages}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or passes it on."""
        if scope["type"] == "http" and (refused := self._refuse(Request(scope))):
            await refused(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refuse(self, request: Request) -> Response | None:
        host = request.headers.get("Host", "")
        if not is_named(host, self._names):
            text = (
                f"the header Host names {printable(shorten(host)) or 'nothing'}; allowed are "
                f"{', '.join(dict.fromkeys(self._names))}, and any with --host 0.0.0.0 and a token"
            )
            return as_json({"error": text}, 400)
        site = request.headers.get("Sec-Fetch-Site", "none")
        if request.method not in ("GET", "HEAD") and site not in ("none", "same-origin"):
            return as_json({"error": "requests from other sites are not answered"}, 403)
        # request.url is made from the header Host too, which a client chooses.
        if self._token is None or request.scope["path"] in self._open:
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self._token.encode())
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
        metrics: that count.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

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
        self._metrics.request(protocol if protocol == "v1" else "other", status, seconds)
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
