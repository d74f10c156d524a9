"""A sampler SavedModel, loaded for evaluation."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from components.sample_evaluator.names import NOT_A_SAMPLER, SIGNATURE, TRANSLATE
from components.sharing import shared
from trainer.common import exit_codes, xmp
from trainer.common.progress import phase
from trainer.common.remote_path import to_path
from trainer.common.text import first_line, list_some
from trainer.labels import NO_LABEL
from trainer.names import METADATA
from trainer.serving import model_metadata
from trainer.serving.model_metadata import MetadataError, ModelMetadata
from trainer.serving.stored_model import SavedModelError, StoredModel

TRAJECTORY = "trajectory"  # an optional signature


class SamplerError(ValueError):
    """A model cannot be sampled; the message gives the reason."""

    exit_code = exit_codes.USAGE


class OtherDataError(SamplerError):
    """A model draws images of another shape than the data, or translates other sources."""


class LoadedSampler(StoredModel):
    """Draws the image of each seed, or of each source, with a SavedModel.

    Attributes:
        source: what a model that translates expects; None for one that draws from noise alone.
        teacher: the sampler that a student was distilled from; None for other models.

    Batches may be larger than the model accepts in one call; they are split.
    """

    def __init__(self, path: str) -> None:
        """Loads the SavedModel in the folder `path`.

        Raises:
            SamplerError: the model or its metadata is missing, damaged, or of another kind.
        """
        super().__init__(to_path(path), _read(path))
        self.source, self.teacher = self.about.source, self.about.teacher
        self._signature = TRANSLATE if self.source else SIGNATURE
        try:
            self._signatures = self.load()
        except SavedModelError as error:
            raise SamplerError(str(error)) from error
        if self._signature not in self._signatures:
            found = list_some(sorted(self._signatures)) or "none"
            raise SamplerError(f"{self} has the signatures {found}: it {NOT_A_SAMPLER}")

    @property
    def source_shape(self) -> tuple[int, int, int] | None:
        """H, W, S of a source; None for a model that takes none."""
        if not self.source:
            return None
        _, inputs = self._signatures[TRANSLATE].structured_input_signature
        return tuple(inputs["source"].shape[1:])

    def sample(
        self,
        seeds: np.ndarray,
        labels: Sequence[str],
        nb_step: int | None = None,
        sources: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draws one image per seed.

        Args:
            seeds: int64 [N].
            labels: N labels. A conditional model ignores unknown ones, other models all.
            nb_step: solver steps; default: those of the model.
            sources: uint8 [N, H, W, S], for a model that translates.

        Returns:
            uint8 [N, H, W, C].
        """
        steps = self.nb_step if nb_step is None else nb_step
        rows = {"seed": seeds} if sources is None else {"seed": seeds, "source": sources}
        return self._call(self._signature, labels, steps, rows)

    def image_shape(self) -> tuple[int, int, int]:
        """Returns H, W, C of an image drawn in one step.

        Raises:
            SamplerError: the model does not run, or does not draw uint8 images.
        """
        try:
            with phase("checking the model"):
                source = np.zeros((1, *self.source_shape), np.uint8) if self.source else None
                image = self.sample(np.zeros(1, np.int64), self.labels[:1], 1, source)
        except Exception as error:  # as above, from any op of the model
            raise SamplerError(f"{self} does not run: {first_line(error)}") from error
        if image.dtype != np.uint8 or image.ndim != 4 or len(image) != 1:
            raise SamplerError(
                f"{self} draws {image.shape} of type {image.dtype} for one seed: must be "
                "uint8 [1, H, W, C]"
            )
        height, width, channels = image.shape[1:]
        return height, width, channels

    @property
    def mark(self) -> str:
        """The XMP packet of pictures of the images that it draws (trainer/common/xmp.py)."""
        return xmp.packet(self.about.weights or "", xmp.EVALUATION)

    @property
    def has_trajectory(self) -> bool:
        """Whether the model shows its way from noise to image, and needs no source for it."""
        return not self.source and TRAJECTORY in self._signatures

    def trajectory(self, seeds: np.ndarray, labels: Sequence[str]) -> np.ndarray:
        """The states from noise to image of each seed, with the solver steps of the model.

        Args:
            seeds: int64 [N].
            labels: as in `sample`.

        Returns:
            uint8 [N, nb_step + 1, H, W, C].
        """
        return self._call(TRAJECTORY, labels, self.nb_step, {"seed": seeds})

    def _call(
        self, signature: str, labels: Sequence[str], nb_step: int, rows: dict[str, np.ndarray]
    ) -> np.ndarray:
        """Calls a signature as often as the limits of the model require."""
        known = [label if label in self.labels else NO_LABEL for label in labels]
        size = max(self.about.limits.images_of(nb_step), 1)  # the model says that it takes none
        return self.call_in_parts(signature, {**rows, "label": known}, nb_step, size)


@shared
def load_sampler(path: str) -> LoadedSampler:
    """Returns the LoadedSampler of a folder: the one in use in this process, or a new one.

    Loading takes as long as drawing hundreds of small images, and several steps of an evaluation
    use the same model.
    """
    return LoadedSampler(path)


def check_sampler(
    path: str, shape: tuple[int, int, int], source_shape: tuple[int, int, int] | None = None
) -> LoadedSampler:
    """Loads a model and draws one image in one step, to check that it fits the data.

    Args:
        path: folder of the SavedModel.
        shape: H, W, C of the images in the data.
        source_shape: H, W, S of the sources in the data; None for data without.

    Returns:
        The sampler.

    Raises:
        OtherDataError: it draws images of another shape than the data, or translates other sources.
        SamplerError: it does not load or run.
    """
    sampler = load_sampler(path)
    if sampler.source and sampler.source_shape != source_shape:
        none = "have none (data.source, data.degrade)"
        found = f"have sources {source_shape}" if source_shape else none
        made = sampler.source.degrade or "data.source"
        raise OtherDataError(
            f"{path} translates sources {sampler.source_shape} of {made}, the data {found}"
        )
    drawn = sampler.image_shape()
    if drawn != shape:
        raise OtherDataError(f"{path} draws images {drawn}, the data contain {shape}")
    return sampler


def _read(path: str) -> ModelMetadata:
    """The metadata of the model in a folder."""
    folder = to_path(path)
    if not folder.is_dir():
        raise SamplerError(f"{path}: no such folder")
    try:
        return model_metadata.read(folder, "nb_step")
    except FileNotFoundError as error:
        raise SamplerError(f"{path} {NOT_A_SAMPLER}") from error
    except MetadataError as error:
        raise SamplerError(f"{folder / METADATA}: {error}") from error
    except (OSError, tf.errors.OpError) as error:
        raise SamplerError(f"{folder / METADATA} cannot be read: {first_line(error)}") from error
