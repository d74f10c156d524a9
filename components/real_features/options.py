"""Options of RealFeatures: how many images are described, in which feature space."""

from pydantic import Field

from components.features.options import AUTO, FeatureOptions, Features
from trainer.common.options import Options


class RealFeaturesOptions(Options):
    """How many images are described, in which feature space."""

    samples: int = Field(
        2000, ge=2, description="maximum number of samples, and of held-out images, to compare"
    )
    batch_size: int = Field(
        256, ge=1, description="images per batch: in features, in pairs and, by a GPU, in sampling"
    )
    features: Features = Field(
        FeatureOptions(name=AUTO),
        description="feature space: a name, or a name with settings",
    )
