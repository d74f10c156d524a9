"""SampleEvaluator: judges a model by its samples and always writes a blessing."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import channel, component_spec, standard_artifacts

from components.real_features.artifact import ImageFeatures
from components.sample_evaluator import executor, names
from components.sample_evaluator.options import EvaluateOptions


class SampleEvaluatorSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of SampleEvaluator."""

    PARAMETERS = {
        names.OPTIONS: component_spec.ExecutionParameter(type=str),
        "samples": component_spec.ExecutionParameter(type=int),
        "source_hash": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "features": component_spec.ChannelParameter(type=ImageFeatures),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "baseline": component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
        "history": component_spec.ChannelParameter(
            type=standard_artifacts.ModelEvaluation, optional=True
        ),
    }
    OUTPUTS = {
        names.EVALUATION: component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        names.BLESSING: component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class SampleEvaluator(base_component.BaseComponent):
    """Compares a model's samples with held-out images, and with those of the latest blessed model.

    Args:
        examples: Examples with the splits train and eval (trainer/examples.py).
        features: of their images, from RealFeatures.
        transform_graph: the TransformGraph that decodes their images.
        model: the Model to judge: a sampler SavedModel with the signature `generate`.
        options: features, thresholds.
        samples: maximum number of samples and of held-out images; replaces that in `options`.
        baseline: the latest blessed Model, from a Resolver; may resolve to none.
        history: evaluations of earlier blessed models, oldest first, for the report.
        source_hash: of the code; a new one evaluates again.

    Outputs:
        evaluation: metrics.json, report.html, its pictures and TFMA's results.
        blessing: BLESSED or NOT_BLESSED, with the custom properties of TFX's Evaluator and the
            `reason`.
    """

    SPEC_CLASS = SampleEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: channel.BaseChannel,
        features: channel.BaseChannel,
        transform_graph: channel.BaseChannel,
        model: channel.BaseChannel,
        options: EvaluateOptions,
        samples: int | RuntimeParameter,
        baseline: channel.BaseChannel | None = None,
        history: channel.BaseChannel | None = None,
        source_hash: str = "",
    ) -> None:
        super().__init__(
            SampleEvaluatorSpec(
                examples=examples,
                features=features,
                transform_graph=transform_graph,
                model=model,
                baseline=baseline,
                history=history,
                options=options.model_dump_json(exclude={"samples"}),
                samples=samples,
                source_hash=source_hash,
                evaluation=channel.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
