"""What the page says about the live model: from its metadata, and from the workspace's records."""

import base64
from typing import Any

from pydantic import BaseModel

from pipeline.monitoring.dashboard.collect import TrainedModel, collect
from pipeline.serve import tf_serving
from pipeline.serve.versions import DEFAULT_SIGNATURE, Version
from pipeline.workspace import Workspace
from trainer.common import xmp
from trainer.common.text import printable
from trainer.ode.methods import TABLEAUS

DASHBOARD = "/dashboard/"
MAX_LABELS = 2_000


class About(BaseModel):
    """The live model.

    Attributes:
        name: in paths.
        version: its number.
        folder: of the version.
        shape: height, width and channels of an image.
        fit: crop or pad, as files became images for its training.
        background: color of transparent pixels and of bars, as #RRGGBB.
        labels: classes that may be asked for; empty for an unconditional model.
        source: how a model that translates uses its sources; None for one that draws from noise.
        source_shape: height, width and channels of a source; None without.
        inputs: of `serving_default`.
        signatures: names of all.
        nb_step: solver steps by default.
        solver, grid, guidance, autoguidance: how the model draws by itself.
        solvers: those that a request may choose; none of a model that does not say how it draws,
            or that has fixed steps.
        fixed_steps: whether it always takes `nb_step`.
        images, most_steps, states: limits of a request.
        values: numbers that an answer may have.
        mark: in base64, the chunk of a PNG file that says that this model made it.
        verdict: of the gate, or what was decided since; None if it is not known.
        reason: of the verdict.
        metrics: of its evaluation, those with limits.
        links: paths of further pages about it, by name.
    """

    name: str
    version: int
    folder: str
    shape: list[int]
    fit: str
    background: str
    labels: list[str]
    source: dict[str, Any] | None
    source_shape: list[int] | None
    inputs: list[str]
    signatures: list[str]
    nb_step: int
    fixed_steps: bool
    solver: str
    grid: str
    guidance: float
    autoguidance: float
    solvers: list[str]
    images: int
    most_steps: int
    states: int
    values: int
    mark: str
    verdict: str | None = None
    reason: str | None = None
    metrics: dict[str, float] = {}
    links: dict[str, str] = {}


def describe(name: str, version: Version, workspace: Workspace | None) -> About:
    """What is known about a version.

    Args:
        name: of the model in paths.
        version: that is live.
        workspace: whose records are read; None for none.
    """
    known = version.about
    sample, conversion = known.config["sample"], known.recorded["conversion"]
    about = About(
        name=name,
        version=version.number,
        folder=printable(str(version.folder)),
        shape=list(version.image_shape),
        fit=conversion["fit"],
        background=conversion["background"],
        labels=known.labels[:MAX_LABELS],
        source=known.recorded.get("source"),
        source_shape=list(version.source_shape) if version.source else None,
        inputs=list(version.signatures[DEFAULT_SIGNATURE].inputs),
        signatures=sorted(version.signatures),
        nb_step=known.nb_step,
        fixed_steps=known.fixed_steps,
        solver=sample["solver"],
        grid=sample["grid"],
        guidance=sample["guidance"],
        autoguidance=sample["autoguidance"],
        solvers=list(TABLEAUS) if version.own else [],
        images=version.limits.images,
        most_steps=version.limits.nb_step,
        states=version.limits.states,
        values=tf_serving.MAX_VALUES,
        mark=base64.b64encode(xmp.png_chunk(xmp.packet(known.weights or ""))).decode(),
    )
    if workspace:
        about.links["dashboard"] = DASHBOARD
    trained = _record(workspace, version.number) if workspace else None
    if trained:
        model, evaluation = trained.model, trained.evaluation
        about.verdict = model.verdict
        about.reason = printable(model.promoted or model.reason or "")
        about.metrics = {key: model.metrics[key] for key in model.limited if key in model.metrics}
        if evaluation and evaluation.report:
            about.links["report"] = f"{DASHBOARD}reports/{evaluation.number}.html"
    return about


def _record(workspace: Workspace, number: int) -> TrainedModel | None:
    if not workspace.metadata.exists():
        return None
    models = collect(workspace).models
    return next((each for each in models if number in each.model.versions), None)
