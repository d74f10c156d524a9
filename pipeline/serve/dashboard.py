"""The paths of the dashboard: the same pages as the files, rendered on request."""

from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from pipeline.monitoring import prometheus
from pipeline.monitoring.dashboard.collect import collect
from pipeline.monitoring.dashboard.pages import INDEX, Site
from pipeline.workspace import Workspace


def routes(workspace: Workspace, folder: str = "/") -> list[Route]:
    """The pages, and what Prometheus reads; none writes.

    Args:
        workspace: need not exist yet.
        folder: path that they are below, with a slash at its end.
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

    return [Route(f"{folder}metrics", metrics), Route(f"{folder}{{path:path}}", answer)]
