"""The pipeline as a graph of TFX nodes: a pure function of the configuration and of locations."""

from dataclasses import dataclass
from typing import Any, TypeVar

from ml_metadata.proto import metadata_store_pb2
from tensorflow_data_validation import StatsOptions
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.transform.component import Transform
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.experimental.conditionals.conditional import Cond
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from components import names as tfx_names
from components.atomic_pusher import names as pusher_names
from components.atomic_pusher.component import AtomicPusher
from components.beam_options import refusal
from components.data_gate import DataGate
from components.drift_gate import names as drift_names
from components.drift_gate.component import (
    DriftGate,
    DriftVerdict,
    LatestVerdictOnEarlierDataStrategy,
)
from components.drift_gate.drift import space_of
from components.image_example_gen import names as example_names
from components.image_example_gen.component import ImageExampleGen
from components.image_example_gen.options import ImageOptions, WindowOptions
from components.image_example_gen.pattern import LATEST
from components.image_trainer import names as trainer_names
from components.image_trainer.component import ImageTrainer
from components.real_features import names as feature_names
from components.real_features.component import RealFeatures
from components.real_features.options import RealFeaturesOptions
from components.resolvers import strategies as resolvers
from components.resolvers.strategies import (
    LatestBlessedOnOtherExamplesStrategy,
    LatestBlessedOtherStrategy,
)
from components.sample_evaluator import names as evaluator_names
from components.sample_evaluator.component import SampleEvaluator
from components.schema_importer import SchemaImporter
from components.source_hash import source_hash
from pipeline.config.pipeline_config import ConfigError, PipelineConfig
from pipeline.distillation.nodes import TRAINING, Teacher, student_nodes
from pipeline.workspace import Locations
from trainer.common.options import Options
from trainer.common.resolution import from_sides

PREPROCESSING = "trainer.preprocessing"  # Transform imports it by name: its code is Transform's

OptionsT = TypeVar("OptionsT", bound=Options)


def create_pipeline(
    config: PipelineConfig,
    locations: Locations,
    schema: str,
    metadata: metadata_store_pb2.ConnectionConfig | None = None,
) -> Pipeline:
    """Builds the pipeline.

    Args:
        config: `data.folder`, `data.span`, `train.steps` and `evaluate.samples` in it are what the
            runtime parameters `data_folder`, `span`, `steps` and `samples` default to.
        locations: where everything is.
        schema: of the examples, as text of the protocol buffer.
        metadata: the store of ML Metadata; without it, the runner has to know.

    Raises:
        ConfigError: Beam refuses its options, or those are for a node that this pipeline does not
            have.
    """
    data = _data_nodes(config, schema)
    trainer, *base_model = _training_nodes(config, locations, data)
    model = trainer.outputs[trainer_names.MODEL]
    judging = _judging_nodes(config, locations, data, model)
    nodes = [*data.nodes, trainer, *base_model, *judging]
    on_beam = [node.id for node in nodes if isinstance(node, BaseBeamComponent)]
    if unused := sorted(config.beam.components.keys() - set(on_beam)):
        raise ConfigError(
            f"beam.components.{unused[0]}: this pipeline has no such node; those on Beam are "
            f"{', '.join(on_beam)}"
        )
    for node in nodes:
        if node.id in on_beam:
            arguments = config.beam.arguments(node.id)
            if reason := refusal(tuple(arguments)):
                key = "components." + node.id if node.id in config.beam.components else "options"
                raise ConfigError(f"beam.{key}: Beam refuses this: {reason}")
            # Options of the pipeline as a whole would come before those of a node, not yield.
            node.with_beam_pipeline_args(arguments)
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=locations.artifacts,
        components=nodes,
        enable_cache=True,
        metadata_connection_config=metadata,
    )


@dataclass(frozen=True)
class _Data:
    """What makes the data and checks them.

    Attributes:
        nodes: all of them.
        checks: those that nothing that takes long may start before.
        examples: the images.
        transform_graph: makes batches of them.
    """

    nodes: list[BaseNode]
    checks: list[BaseNode]
    examples: BaseChannel
    transform_graph: BaseChannel


def _data_nodes(config: PipelineConfig, schema: str) -> _Data:
    data = config.data
    # The latest span by a word and not a number: TFX takes 0 for no default.
    span = LATEST if data.span is None else str(data.span)
    example_gen = ImageExampleGen(
        folder=RuntimeParameter("data_folder", str, data.folder or ""),
        options=_select(ImageOptions, data),
        window=_select(WindowOptions, data),
        span=RuntimeParameter("span", str, span),
        holdout=data.holdout,
        source=data.paired_source,
        unpaired_source=data.unpaired_source,
        holdout_source=data.holdout_source,
        source_hash=source_hash("components.image_example_gen.executor"),
    )
    examples = example_gen.outputs[example_names.EXAMPLES]
    schema_importer = SchemaImporter(
        text=schema, source_hash=source_hash("components.schema_importer")
    )
    imported = schema_importer.outputs["schema"]
    statistics = StatisticsGen(
        examples=examples,
        schema=imported,
        # Exact counts would keep every path and hash in memory, which are different for all images.
        stats_options=StatsOptions(use_sketch_based_topk_uniques=True),
    )
    validator = ExampleValidator(
        statistics=statistics.outputs[tfx_names.STATISTICS], schema=imported
    )
    gate = DataGate(
        anomalies=validator.outputs[tfx_names.ANOMALIES],
        on_anomaly=config.validation.on_anomaly,
        source_hash=source_hash("components.data_gate"),
    )
    checks = [gate, *_drift_nodes(config, examples, gate)]
    transform = Transform(
        examples=examples,
        schema=imported,
        preprocessing_fn=f"{PREPROCESSING}.preprocessing_fn",
        custom_config={
            "resolution": from_sides(data.resolution),
            "channels": data.channels,
            "conditional": config.model.conditional,
            **({"degrade": data.degrade} if data.degrade else {}),
            **({"paired": True} if data.paired_source else {}),
            "source_hash": source_hash(PREPROCESSING),
        },
        materialize=False,
        # Its statistics would hold every image as floats in memory, and nobody reads them.
        disable_statistics=True,
    )
    nodes = [example_gen, schema_importer, statistics, validator, *checks, transform]
    return _Data(nodes, checks, examples, transform.outputs[tfx_names.TRANSFORM_GRAPH])


def _drift_nodes(
    config: PipelineConfig, examples: BaseChannel, data_gate: BaseNode
) -> list[BaseNode]:
    """DriftGate and the resolver of what it compares with, or nothing."""
    if config.drift.on_drift == "off":
        return []
    features, shape = config.evaluate.features, _select(ImageOptions, config.data).shape
    reference = Resolver(
        strategy_class=LatestVerdictOnEarlierDataStrategy,
        config={"space": space_of(features.identity, shape, config.data.paired_source is not None)},
        verdict=Channel(type=DriftVerdict),
        examples=examples,
    ).with_id(drift_names.REFERENCE_NODE)
    gate = DriftGate(
        examples=examples,
        reference=reference.outputs[drift_names.VERDICT],
        options=config.drift.model_dump_json(),
        features=features.model_dump_json(),
        source_hash=source_hash("components.drift_gate.component"),
    )
    gate.add_upstream_node(data_gate)
    return [reference, gate]


def _training_nodes(config: PipelineConfig, locations: Locations, data: _Data) -> list[BaseNode]:
    """The Trainer, and before a warm start the resolver of what it starts from."""
    base_model = None
    if config.train.warm_start:
        base_model = Resolver(
            strategy_class=LatestBlessedOnOtherExamplesStrategy,
            model=Channel(type=standard_artifacts.Model),
            blessing=Channel(type=standard_artifacts.ModelBlessing),
            examples=data.examples,
        ).with_id(resolvers.BASE_MODEL)
    trainer = ImageTrainer(
        examples=data.examples,
        transform_graph=data.transform_graph,
        run_fn=f"{TRAINING}.run_fn",
        steps=RuntimeParameter("steps", int, config.train.steps),
        base_model=base_model.outputs[trainer_names.MODEL] if base_model else None,
        custom_config=_training_config(config, locations),
    ).with_id(trainer_names.NODE)
    trainer.add_upstream_nodes(data.checks)
    return [trainer, base_model] if base_model else [trainer]


def _training_config(config: PipelineConfig, locations: Locations) -> dict[str, Any]:
    """The `custom_config` of trainer/run_fn.py."""
    return {
        "model": config.model.model_dump(mode="json"),
        "train": config.train.model_dump(mode="json", exclude={"steps"}),
        "sample": config.sample.model_dump(mode="json", exclude_none=True),
        **({"source": config.source.model_dump()} if config.source else {}),
        "resolution": from_sides(config.data.resolution),
        "channels": config.data.channels,
        "conversion": config.data.model_dump(include={"fit", "background"}),
        "split": _split(config),
        **({"license": config.data.license} if config.data.license else {}),
        "checkpoints": locations.checkpoints,
        "latest_samples": locations.latest_samples,
        "source_hash": source_hash(TRAINING),
    }


def _split(config: PipelineConfig) -> dict[str, Any]:
    """Returns what decides which images are held out, by key of the configuration."""
    data = config.data
    keys = ["eval_percent", "group_pattern", "holdout"]
    if data.near_duplicates == "group":  # not known to models from before there was this key
        keys.append("near_duplicates")
    return {f"data.{key}": getattr(data, key) for key in keys}


def _judging_nodes(
    config: PipelineConfig,
    locations: Locations,
    data: _Data,
    model: BaseChannel,
) -> list[BaseNode]:
    """What compares the model with the images and with earlier models, and pushes it."""
    samples = RuntimeParameter("samples", int, config.evaluate.samples)
    real_features = RealFeatures(
        examples=data.examples,
        transform_graph=data.transform_graph,
        options=config.evaluate.model_dump_json(
            include=RealFeaturesOptions.model_fields.keys() - {"samples"}
        ),
        samples=samples,
        source_hash=source_hash("components.real_features.component"),
    )
    real_features.add_upstream_nodes(data.checks)
    baseline = Resolver(
        strategy_class=LatestBlessedOtherStrategy,
        model=Channel(type=standard_artifacts.Model),
        blessing=Channel(type=standard_artifacts.ModelBlessing),
        evaluation=Channel(type=standard_artifacts.ModelEvaluation),
        candidate=model,
    ).with_id(resolvers.BASELINE)
    evaluator = SampleEvaluator(
        examples=data.examples,
        features=real_features.outputs[feature_names.FEATURES],
        transform_graph=data.transform_graph,
        model=model,
        baseline=baseline.outputs[trainer_names.MODEL],
        history=baseline.outputs[evaluator_names.EVALUATION],
        options=config.evaluate,
        samples=samples,
        source_hash=source_hash("components.sample_evaluator.executor"),
    )
    pusher = AtomicPusher(
        model=model,
        model_blessing=evaluator.outputs[evaluator_names.BLESSING],
        evaluation=evaluator.outputs[evaluator_names.EVALUATION],
        examples=data.examples,
        serving=locations.serving,
        push=locations.push,
    ).with_id(pusher_names.NODE)
    nodes = [real_features, evaluator, pusher, baseline]
    if config.distill.enabled:
        teacher = Teacher(
            model=model,
            examples=data.examples,
            transform_graph=data.transform_graph,
            features=real_features.outputs[feature_names.FEATURES],
            evaluation=evaluator.outputs[evaluator_names.EVALUATION],
            config=_training_config(config, locations),
            steps=config.train.steps,
        )
        blessing = evaluator.outputs[evaluator_names.BLESSING].future()[0]
        with Cond(blessing.custom_property(evaluator_names.BLESSED) == 1):
            students = student_nodes(teacher, config.distill, config.evaluate, samples, locations)
        students[0].add_upstream_node(pusher)  # a teacher is live while its student trains
        nodes += students
    return nodes


def _select(options: type[OptionsT], values: Options) -> OptionsT:
    """The options of a component, from a section that has them among others."""
    return options.model_validate(values.model_dump(include=set(options.model_fields)))
