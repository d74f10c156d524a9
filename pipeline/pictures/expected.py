"""What quality to expect of samples, by size: what was measured, and nothing else.

This is the place for such figures; docs/own_images.md has the same table.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One training, of the network that a run chooses or one like it.

    Attributes:
        size: of the images, in pixels.
        images: which, and how many.
        training: how long.
        samples: what became of them.
    """

    size: str
    images: str
    training: str
    samples: str


MEASURED = (
    Measured(
        "8x8",
        "1,797 gray digits",
        "1,000 steps, two to five minutes on 2 cores",
        "blessed; of 1,000 with labels, a classifier recognizes 98%",
    ),
    Measured(
        "32x32",
        "70,000 gray pieces of clothing (Fashion-MNIST)",
        "ten minutes on one core",
        "KID 0.037 in pixels, where the code of the paper reaches 0.057",
    ),
    Measured(
        "32x32",
        "3,391 emoji in color (preset emoji32)",
        "10,000 steps of 32 images, 32 minutes on 2 busy cores with bfloat16",
        "most are complete faces, figures and flags; in KID at 3% of the way to noise; not "
        "blessed, for two missing kinds, and coverage at 41% where 40% are allowed",
    ),
    Measured(
        "32x32",
        "the same emoji in nine classes, without a configuration",
        "4,000 steps of 32 images of a larger network, 75 minutes on 2 busy cores with AVX2 alone",
        "blessed; faces, flags, signs and clocks are complete, things with much detail are not; "
        "in KID at 6% of the way to noise",
    ),
    Measured(
        "32x32",
        "the same emoji in nine classes (emoji_groups, model.conditional=true)",
        "10,000 steps of 32 images, 62 minutes on 1 busy core with bfloat16",
        "by class; most metrics are better, and it is blessed",
    ),
)


def describe_expected() -> Iterator[str]:
    """Yields a heading and a line per training."""
    yield "Samples of other trainings, as measured:"
    for each in MEASURED:
        yield f"  {each.size}, {each.images}, {each.training}: {each.samples}"
