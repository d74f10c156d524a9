"""The paths of the playground.

The page asks for images by TensorFlow Serving's REST, like any client. Besides, it needs to know
what the model is, and the noise of seeds, to mix it.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from pipeline.failures import describe as describe_failure
from pipeline.serve.errors import RequestError
from pipeline.serve.http import ACCESS
from pipeline.serve.live import Live
from pipeline.serve.playground.about import About, describe
from pipeline.workspace import Workspace
from trainer.light.noise import noise_from_seeds

FILES = {  # they say nothing about the model
    "/": ("index.html", "text/html"),
    "/playground/playground.css": ("playground.css", "text/css"),
    "/playground/playground.js": ("playground.js", "text/javascript"),
    "/playground/player.js": ("player.js", "text/javascript"),
    "/playground/client.js": ("client.js", "text/javascript"),
    "/playground/pixels.js": ("pixels.js", "text/javascript"),
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MAX_SEEDS = 16


class Playground:
    """What the page needs.

    Args:
        name: of the model in paths.
        live: its live version.
        workspace: that it comes from; None if there is none.
    """

    def __init__(self, name: str, live: Live, workspace: Workspace | None) -> None:
        self._name = name
        self._live = live
        self._workspace = workspace
        self._about: About | None = None  # of the version that was last asked about

    def routes(self) -> list[Route]:
        """The files of the page, and what it asks for."""
        return [
            Route("/playground/model", self._model),
            Route("/playground/noise", self._noise),
            *(Route(path, _file(*file)) for path, file in FILES.items()),
        ]

    async def _model(self, request: Request) -> Response:
        about = await run_in_threadpool(self._describe)
        return Response(about.model_dump_json(), media_type="application/json")

    async def _noise(self, request: Request) -> Response:
        """The noise of seeds, float32 [N, H, W, C], as little-endian bytes."""
        version = self._live.version()
        x0 = await run_in_threadpool(noise_from_seeds, _seeds(request), version.image_shape)
        return Response(x0.astype("<f4").tobytes(), media_type="application/octet-stream")

    def _describe(self) -> About:
        version = self._live.version()
        if self._about is None or self._about.version != version.number:
            try:
                self._about = describe(self._name, version, self._workspace)
            except Exception as error:  # of damaged or busy records, without which it is served too
                ACCESS.warning("the page has no verdict: %s", describe_failure(error)[1])
                return describe(self._name, version, None)
        return self._about


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    path = Path(__file__).with_name(name)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}

    async def answer(request: Request) -> Response:
        return FileResponse(path, headers=headers, media_type=media_type)

    return answer


def _seeds(request: Request) -> np.ndarray:
    texts = request.query_params.get("seeds", "").split(",")[: MAX_SEEDS + 1]
    try:
        seeds = np.array([int(text) for text in texts], np.int64)
    except (ValueError, OverflowError):
        seeds = np.zeros(0, np.int64)
    if not 0 < len(seeds) <= MAX_SEEDS:
        raise RequestError(f"seeds: expected 1 to {MAX_SEEDS} whole numbers, separated by commas")
    return seeds
