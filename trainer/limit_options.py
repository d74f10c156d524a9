"""Limits of one request to the exported sampler."""

from pydantic import Field

from trainer.common.options import Options


class LimitOptions(Options):
    """What one request may ask of the exported sampler; more is an error.

    Without limits one request could occupy a server for hours, or exhaust its memory and thus end
    the requests of others.
    """

    images: int = Field(256, ge=16, description="images per request")
    nb_step: int = Field(1000, ge=16, description="solver steps, where a request sets them")
    states: int = Field(
        16_384,
        ge=256,
        description="images times solver steps, where a request sets the steps; `trajectory` "
        "returns so many images",
    )

    def images_of(self, nb_step: int) -> int:
        """Returns how many images a request with these solver steps may ask for, 0 if none."""
        return min(self.images, self.states // nb_step) if nb_step <= self.nb_step else 0
