"""The feature space of a run: what `evaluate.features: auto` stands for."""

from collections.abc import Callable

from components.features.choice import choose_features
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.config.sections import require_samples


def with_chosen_features(
    config: PipelineConfig, report: Callable[[str], None]
) -> tuple[PipelineConfig, str]:
    """Chooses the feature space for the images of a configuration; fetches its weights if needed.

    Args:
        config: of a run.
        report: receives lines for a person.

    Returns:
        The configuration with a feature space by name, and a warning, or an empty text.

    Raises:
        ConfigError: a metric with a configured limit needs more samples in the chosen space.
    """
    data = config.data
    chosen = choose_features(config.evaluate.features, data.shape, report)
    evaluate = config.evaluate.model_copy(update={"features": chosen.features})
    require_samples(evaluate, data)
    return config.model_copy(update={"evaluate": evaluate}), chosen.warning
