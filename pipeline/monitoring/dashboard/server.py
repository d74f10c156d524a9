"""The dashboard on a port: the same pages as the files, rendered on request."""

import contextlib
import socket
from datetime import datetime

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from pipeline.addresses import HEADERS
from pipeline.monitoring import prometheus
from pipeline.monitoring.dashboard.collect import collect
from pipeline.monitoring.dashboard.pages import INDEX, Site
from pipeline.workspace import Workspace


def serve(app: Starlette, listening: socket.socket) -> None:
    """Answers on a socket until SIGINT."""
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again at its end
        uvicorn.Server(config).run([listening])


def make_app(workspace: Workspace, names: list[str] | None) -> Starlette:
    """The application, which never writes.

    Args:
        workspace: need not exist yet.
        names: as `names_of` returns them.
    """

    def answer(request: Request) -> Response:
        site = Site(collect(workspace), datetime.now().astimezone())
        page = site.page(request.path_params["path"] or INDEX)
        if page is None:
            raise HTTPException(404)
        policy = f"{page.policy}; frame-ancestors 'none'"
        return HTMLResponse(page.content, headers={"Content-Security-Policy": policy})

    def metrics(request: Request) -> Response:
        return PlainTextResponse(prometheus.text(workspace))

    return Starlette(
        routes=[Route("/metrics", metrics), Route("/{path:path}", answer)],
        middleware=[
            Middleware(BaseHTTPMiddleware, dispatch=_harden),
            Middleware(TrustedHostMiddleware, allowed_hosts=names or ["*"]),
        ],
    )


async def _harden(request: Request, answer: RequestResponseEndpoint) -> Response:
    response = await answer(request)
    for name, value in {**HEADERS, "Cache-Control": "no-cache"}.items():
        response.headers.setdefault(name, value)
    return response
