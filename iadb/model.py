"""A pushed model: images from seeds, from noise, from other images, and back."""

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from components.atomic_pusher.versions import SAVED_MODEL, TEACHER_NOTE
from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.image_decode import decode
from components.image_example_gen.options import MOST_PIXELS, ImageOptions
from iadb.arc import arc
from iadb.arguments import (
    ImageLike,
    Labels,
    check_memory,
    check_number,
    known_labels,
    read_content,
    read_result,
    requests_of,
    seeds_from,
    seeds_of,
)
from iadb.images import Images
from pipeline.drawing import MAX_STATES, draw_samples, draw_trajectories
from pipeline.export import mlflow_model
from pipeline.registry import serving
from pipeline.translation.files import ROW
from pipeline.workspace import Workspace
from trainer.light.noise import noise_from_seeds
from trainer.light.sampler import to_uint8
from trainer.ode.choice import Choice
from trainer.serving.stored_model import StoredModel

FLOAT_BATCH = 64  # images that are transported or inverted at a time


def load(folder: str | os.PathLike[str]) -> "Model":
    """Opens the newest model of a workspace, or the model in a folder.

    Args:
        folder: a workspace, its folder `serving`, a version in that, any copy of one, or what
            `iadb export` wrote for the hub or MLflow.

    Raises:
        ValueError: the folder is neither, the workspace has no model yet, or the metadata of the
            model are missing or damaged.
    """
    if "://" in str(folder):
        raise ValueError(f"{folder}: not a folder of this machine; copy the model to one")
    # Of now: a notebook may change its folder before the first call reads the model.
    folder = Path(os.path.expanduser(folder)).absolute()
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; pass a workspace or the folder of a model")
    for_mlflow = (folder / mlflow_model.DESCRIPTION).is_file()
    if for_mlflow:
        folder /= mlflow_model.DATA
    is_model = for_mlflow or (folder / SAVED_MODEL).is_file()
    versions = Workspace(folder).serving
    if not versions.exists() and (
        folder.name == versions.name or serving.complete_versions(folder)
    ):
        versions = folder
    try:
        return Model(serving.find_model(versions, folder if is_model else None))
    except serving.NoModelError as error:
        raise ValueError(str(error)) from None


class Model(StoredModel):
    """A model that draws images from noise, or translates images.

    The conditional ones take a `label`, the name of a class in `labels`, or an empty string for any
    class; where it says so, also a list with one for each image. An image depends on its seed
    alone, so a count may grow without changing the first ones.

    Attributes:
        folder: where its SavedModel is.
        metadata: how it was made (assets.extra/iadb.json).
        shape: (H, W, C) of its images.
        labels: names of its classes; empty if it takes no label.
        nb_step: the number of solver steps where none is given.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, serving.read_model(folder, "nb_step", "shape").about)

    def __repr__(self) -> str:
        return f"iadb.load({str(self.folder)!r})"

    def sample(
        self,
        count: int = 16,
        *,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        nb_step: int | None = None,
        label: Labels | None = None,
        solver: str | None = None,
        guidance: float | None = None,
    ) -> Images:
        """Draws images, uint8 [count, H, W, C], of the seeds from `seed` on, or of `seeds`.

        `label` may be one for each. Without, a conditional model draws its classes in turn. A
        student with fixed steps takes its own, here and in the other methods. `solver` (euler,
        midpoint, heun, rk4) and `guidance`, the weight of the label, are those of the model unless
        they are given.

        Raises:
            ValueError: the model translates, does not know the label, takes fewer steps or no other
                solver or guidance, a seed is no int64, or the images would take half of the memory.
        """
        self._check("sample", nb_step=nb_step)
        choice = self.choice(solver, guidance)
        seeds = seeds_of(count, seed, seeds)
        check_memory(len(seeds), math.prod(self.shape))
        if label is not None:
            label = known_labels(self, label, len(seeds))
        return draw_samples(self, seeds, nb_step, label=label, choice=choice).view(Images)

    def trajectory(
        self,
        count: int = 1,
        *,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        nb_step: int | None = None,
        label: Labels | None = None,
        solver: str | None = None,
        guidance: float | None = None,
    ) -> Images:
        """Draws the states from noise to image, uint8 [count, T, H, W, C]; at most 50 of each.

        The arguments are those of `sample`.

        Raises:
            ValueError: as of `sample`.
        """
        self._check("trajectory", nb_step=nb_step)
        choice = self.choice(solver, guidance)
        seeds = seeds_of(count, seed, seeds)
        states = min((nb_step or self.nb_step) + 1, MAX_STATES)
        check_memory(len(seeds), math.prod(self.shape) * states)
        if label is not None:
            label = known_labels(self, label, len(seeds))
        return draw_trajectories(self, seeds, nb_step, label=label, choice=choice).view(Images)

    def read(self, image: str | os.PathLike[str] | bytes | Image.Image) -> np.ndarray:
        """Reads a picture as the training did: upright, in sRGB, of its shape and background.

        Args:
            image: the path or the content of a file, or what Pillow has opened.

        Returns:
            uint8 [H, W, C], which `invert` takes in a list.

        Raises:
            ValueError: it is no image, or damaged.
            OSError: it cannot be read.
        """
        height, width, channels = self.shape
        options = ImageOptions(
            resolution=(height, width),
            channels=channels,
            min_size=1,
            max_pixels=MOST_PIXELS,
            **self.metadata.get("conversion", {}),
        )
        try:
            return decode(io.BytesIO(read_content(image)), options).pixels
        except RejectedImage as reason:
            raise ValueError(f"{image!r:.80}: {reason}") from None

    def noise(
        self, count: int = 1, *, seed: int = 0, seeds: Sequence[int] | None = None
    ) -> np.ndarray:
        """Returns the x0 of seeds, float32 [count, H, W, C]; they are chosen as by `sample`.

        Raises:
            ValueError: a seed is no int64, or the x0 would take half of the memory.
        """
        seeds = seeds_of(count, seed, seeds)
        check_memory(len(seeds), 4 * math.prod(self.shape))
        return noise_from_seeds(np.array(seeds, np.int64), self.shape)

    def transport(
        self,
        x0: np.ndarray,
        *,
        nb_step: int | None = None,
        label: Labels = "",
        solver: str | None = None,
        guidance: float | None = None,
    ) -> Images:
        """Maps x0, float32 [N, H, W, C], to images, uint8 [N, H, W, C].

        `label` may be one for each; `solver` and `guidance` are as of `sample`.

        Raises:
            ValueError: as of `sample`, or x0 has another shape or type.
        """
        x0 = np.asarray(x0)
        self._check("transport", x0, nb_step=nb_step)
        label = known_labels(self, label, len(x0))
        if x0.dtype.kind != "f":
            raise ValueError("expected x0 of type float; images become x0 by invert")
        choice = self.choice(solver, guidance)
        x1 = self._solve("transport", "x0", x0.astype(np.float32), nb_step, label, choice)
        return to_uint8(x1).view(Images)

    def invert(
        self,
        images: np.ndarray,
        *,
        nb_step: int | None = None,
        label: Labels = "",
        solver: str | None = None,
        guidance: float | None = None,
    ) -> np.ndarray:
        """Maps images, uint8 [N, H, W, C], to what leads to them; `label` may be one for each.

        A solver of second order here and in `transport` leads back to the same images: of the
        digits, in 32 steps, with a mean error of 0.00 gray levels by midpoint and 2.3 by Euler.

        Returns:
            Their x0, float32 [N, H, W, C], or, if the model maps sources (`model.source=map`), the
            sources, uint8 [N, H, W, C].

        Raises:
            ValueError: the sources are a condition of the model, its steps are fixed, it does not
                know the label, takes fewer steps, or the images have another shape or type.
        """
        images = np.asarray(images)
        self._check("invert", images, nb_step=nb_step)
        label = known_labels(self, label, len(images))
        if self.about.fixed_steps:
            number, path = self.metadata.get(TEACHER_NOTE), self.about.teacher
            # The path is that of the training, which may be gone, or of another machine.
            teacher = f"model {number} (`iadb models`)" if number is not None else path
            raise ValueError(
                f"{self!r} is a student that knows its own steps alone: invert with its teacher, "
                f"{teacher}"
            )
        if images.dtype != np.uint8:
            raise ValueError(f"expected images of type uint8, got {images.dtype}")
        choice = self.choice(solver, guidance)
        return self._solve("invert", "image", np.asarray(images), nb_step, label, choice)

    def interpolate(
        self,
        first: int | np.ndarray,
        last: int | np.ndarray,
        count: int = 8,
        *,
        nb_step: int | None = None,
        label: str = "",
        solver: str | None = None,
        guidance: float | None = None,
    ) -> Images:
        """Draws images, uint8 [count, H, W, C], on the way from one to another.

        Their x0 lie on the arc between two, since noise on the straight line would be too weak
        (Song et al., "Denoising Diffusion Implicit Models", 2021, section 5.3).

        Args:
            first: a seed, or one x0 of those that `invert` returns, float32 [H, W, C].
            last: as `first`.
            count: number of images, both ends included.
            nb_step: as of `sample`.
            label: of all images; empty for any class.
            solver: as of `sample`.
            guidance: as of `sample`.

        Raises:
            ValueError: as of `transport`.
        """
        if any(np.asarray(x).dtype.kind in "ui" for x in (first, last) if np.ndim(x)):
            raise ValueError("expected seeds or x0 of type float; images become x0 by invert")
        ends = [
            self.noise(seed=x)[0] if np.ndim(x) == 0 else np.asarray(x, np.float32)
            for x in (first, last)
        ]
        self._check("interpolate", count=count)
        for end in ends:
            if end.shape != self.shape:
                raise ValueError(
                    f"expected a seed or one x0 of shape {self.shape}, got an array of {end.shape}"
                )
        x0 = arc(*ends, count)
        return self.transport(x0, nb_step=nb_step, label=label, solver=solver, guidance=guidance)

    def translate(
        self,
        images: Sequence[ImageLike],
        *,
        seed: int = 0,
        label: str = "",
    ) -> Images:
        """Translates images, as `iadb translate` does.

        Args:
            images: paths or contents of image files, in the formats that ingest reads, what Pillow
                has opened, or arrays uint8 [height, width, C] of any size, with C 1, 3 or, with a
                hole, 4.
            seed: of the first result, where a source has several; those of the others follow.
            label: of all results, for a conditional model.

        Returns:
            uint8 [N, H, W, C].

        Raises:
            ValueError: the model does not translate, does not know the label, a file or an array
                is no such image, there is one in place of several, or a seed is no int64.
        """
        if not self.about.source:
            raise ValueError(f"{self!r} draws images from noise; it translates none")
        if isinstance(images, str | bytes | os.PathLike):
            raise ValueError(f"expected a list of images, got one {type(images).__name__}")
        label = self.known_label(label)
        seeds_from(seed, len(images))
        results: list[np.ndarray] = []
        for files in requests_of(images, self.shape, self.about.limits.images):
            translated = self._translate(files, len(results), seed, label)
            results += [read_result(result, self.shape) for result in translated]
        return np.reshape(results, (-1, *self.shape)).astype(np.uint8).view(Images)

    def _check(
        self,
        name: str,
        rows: np.ndarray | None = None,
        *,
        count: int = 1,
        nb_step: int | None = None,
    ) -> None:
        source = self.about.source
        maps_back = name == "invert" and source and source.use == "map"
        if source and not maps_back:
            raise ValueError(f"{self!r} translates images: call translate, not {name}")
        check_number("count", count)
        if nb_step is not None:
            check_number("nb_step", nb_step)
        if rows is not None and np.shape(rows)[1:] != self.shape:
            raise ValueError(
                f"expected an array of shape {('N', *self.shape)}, got {np.shape(rows)}"
            )

    def _solve(
        self,
        signature: str,
        name: str,
        rows: np.ndarray,
        nb_step: int | None,
        labels: list[str],
        choice: Choice | None,
    ) -> np.ndarray:
        nb_step, size = self.within_limits(nb_step, FLOAT_BATCH)
        return self.call_in_parts(signature, {name: rows, "label": labels}, nb_step, size, choice)

    def _translate(self, files: list[bytes], start: int, seed: int, label: str) -> list[bytes]:
        """Translates the files from row `start` on, which errors name."""
        rows = {
            "image_bytes": files,
            "seed": range(seed + start, seed + start + len(files)),
            "label": [label] * len(files),
        }
        try:
            return list(self.call("serving_default", rows))
        except ValueError as error:
            named = ROW.sub(lambda row: f"images, row {start + int(row[1])}: ", str(error))
            raise ValueError(named) from None
