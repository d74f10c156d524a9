"""Options of RealFeatures: which images are described, and in which feature space."""

from pydantic import Field

from components.features.options import FeatureOptions, Features
from trainer.common.options import Options


class RealFeaturesOptions(Options):
    """How many images are described, and by which numbers: what RealFeatures has to know."""

    samples: int = Field(
        2000, ge=2, description="samples and held-out images compared: at most this many of each"
    )
    batch_size: int = Field(256, ge=1, description="images a batch, in sampling and features")
    features: Features = Field(
        FeatureOptions(name="random_conv"),
        description="feature space: its name, or name and settings",
    )
