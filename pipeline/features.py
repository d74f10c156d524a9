"""The feature space of a run: what `evaluate.features: auto` stands for."""

from components.features.options import choose_features
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.config.sections import require_samples


def with_chosen_features(config: PipelineConfig) -> PipelineConfig:
    """Names the feature space for the images of a configuration.

    Raises:
        ConfigError: a metric with a configured limit needs more samples in the chosen space.
    """
    data = config.data
    chosen = choose_features(config.evaluate.features, data.shape)
    evaluate = config.evaluate.model_copy(update={"features": chosen})
    require_samples(evaluate, data)
    return config.model_copy(update={"evaluate": evaluate})
