"""The pipeline as a graph of TFX nodes: a pure function of the configuration and of locations."""

from dataclasses import dataclass

from ml_metadata.proto import metadata_store_pb2
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.transform.component import Transform
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from components.atomic_pusher.component import AtomicPusher
from components.data_gate.component import DataGate
from components.drift_gate.artifact import DriftVerdict
from components.drift_gate.component import DriftGate
from components.drift_gate.reference import LatestVerdictOnEarlierDataStrategy
from components.image_example_gen.component import ImageExampleGen
from components.image_example_gen.driver import LATEST
from components.image_example_gen.options import ImageOptions, WindowOptions
from components.image_trainer.component import ImageTrainer
from components.real_features.component import RealFeatures
from components.real_features.options import RealFeaturesOptions
from components.resolvers.base_model import LatestBlessedOnOtherExamplesStrategy
from components.resolvers.baseline import LatestBlessedOtherStrategy
from components.sample_evaluator.component import SampleEvaluator
from components.schema_importer.component import SchemaImporter
from components.source_hash import source_hash
from pipeline.config import ConfigError, PipelineConfig

# Modules that Transform and Trainer import by name, and whose code is theirs.
PREPROCESSING = "trainer.preprocessing"
TRAINING = "trainer.run_fn"


@dataclass(frozen=True)
class Locations:
    """URIs that a pipeline reads from and writes to.

    Attributes:
        artifacts: what the components produce.
        checkpoints: states of trainings, which outlive a failed run.
        serving: pushed models.
        push: changed to push once more a model that the cache takes for pushed.
    """

    artifacts: str
    checkpoints: str
    serving: str
    push: str = ""

    @classmethod
    def below(cls, root: str) -> "Locations":
        """Those of a pipeline whose every node reaches one folder or bucket."""
        return cls(f"{root}/artifacts", f"{root}/checkpoints", f"{root}/serving")


def create_pipeline(
    config: PipelineConfig,
    locations: Locations,
    schema: str,
    metadata: metadata_store_pb2.ConnectionConfig | None = None,
    *,
    earlier_models: bool = True,
) -> Pipeline:
    """Builds the pipeline.

    Args:
        config: `data.folder`, `data.span`, `train.steps` and `evaluate.samples` in it are what the
            runtime parameters `data_folder`, `span`, `steps` and `samples` default to.
        locations: where everything is.
        schema: of the examples, as text of the protocol buffer.
        metadata: the store of ML Metadata; without it, the runner has to know.
        earlier_models: whether the runner runs the strategies that find what earlier runs made.
            Without them no model has a baseline: the limits alone decide; and no drift is seen.

    Raises:
        ConfigError: a warm start is asked for, or drift is to be held, without earlier runs.
    """
    data = config.data
    # The latest span by a word and not a number: TFX takes 0 for no default.
    span = LATEST if data.span is None else str(data.span)
    samples = RuntimeParameter("samples", int, config.evaluate.samples)
    image_options = ImageOptions.model_validate(
        data.model_dump(include=set(ImageOptions.model_fields))
    )
    example_gen = ImageExampleGen(
        folder=RuntimeParameter("data_folder", str, data.folder or ""),
        options=image_options,
        window=WindowOptions.model_validate(
            data.model_dump(include=set(WindowOptions.model_fields))
        ),
        span=RuntimeParameter("span", str, span),
        holdout=data.holdout,
        source_hash=source_hash("components.image_example_gen.executor"),
    )
    schema_importer = SchemaImporter(schema, source_hash("components.schema_importer.executor"))
    statistics = StatisticsGen(
        examples=example_gen.outputs["examples"], schema=schema_importer.outputs["schema"]
    )
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema_importer.outputs["schema"]
    )
    gate = DataGate(
        anomalies=validator.outputs["anomalies"],
        on_anomaly=config.validation.on_anomaly,
        source_hash=source_hash("components.data_gate.executor"),
    )
    drift_nodes = _drift_nodes(config, example_gen.outputs["examples"], gate, earlier_models)
    checks = [gate, *drift_nodes]  # which come before all that takes long
    transform = Transform(
        examples=example_gen.outputs["examples"],
        schema=schema_importer.outputs["schema"],
        preprocessing_fn=f"{PREPROCESSING}.preprocessing_fn",
        custom_config={
            "resolution": data.resolution,
            "channels": data.channels,
            "conditional": config.model.conditional,
            "source_hash": source_hash(PREPROCESSING),
        },
        materialize=False,
    )
    base_model = None
    if config.train.warm_start:
        if not earlier_models:
            raise ConfigError(
                "train.warm_start=true needs the models of earlier runs, which cannot be found on "
                "this platform; set it to false"
            )
        base_model = Resolver(
            strategy_class=LatestBlessedOnOtherExamplesStrategy,
            model=Channel(type=standard_artifacts.Model),
            blessing=Channel(type=standard_artifacts.ModelBlessing),
            examples=example_gen.outputs["examples"],
        ).with_id("BaseModel")
    trainer = ImageTrainer(
        examples=example_gen.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        run_fn=f"{TRAINING}.run_fn",
        steps=RuntimeParameter("steps", int, config.train.steps),
        base_model=base_model.outputs["model"] if base_model else None,
        custom_config={
            "model": config.model.model_dump(mode="json"),
            "train": config.train.model_dump(mode="json", exclude={"steps"}),
            "sample": config.sample.model_dump(mode="json"),
            "resolution": data.resolution,
            "channels": data.channels,
            "split": {
                "data.eval_percent": data.eval_percent,
                "data.group_pattern": data.group_pattern,
                "data.holdout": data.holdout,
            },
            "checkpoints": locations.checkpoints,
            "source_hash": source_hash(TRAINING),
        },
    ).with_id("Trainer")
    trainer.add_upstream_nodes(checks)
    baseline = None
    if earlier_models:
        baseline = Resolver(
            strategy_class=LatestBlessedOtherStrategy,
            model=Channel(type=standard_artifacts.Model),
            blessing=Channel(type=standard_artifacts.ModelBlessing),
            evaluation=Channel(type=standard_artifacts.ModelEvaluation),
            candidate=trainer.outputs["model"],
        ).with_id("Baseline")
    real_features = RealFeatures(
        examples=example_gen.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        options=RealFeaturesOptions.model_validate(
            config.evaluate.model_dump(include=set(RealFeaturesOptions.model_fields))
        ),
        samples=samples,
        source_hash=source_hash("components.real_features.executor"),
    )
    real_features.add_upstream_nodes(checks)
    evaluator = SampleEvaluator(
        examples=example_gen.outputs["examples"],
        features=real_features.outputs["features"],
        transform_graph=transform.outputs["transform_graph"],
        model=trainer.outputs["model"],
        baseline=baseline.outputs["model"] if baseline else None,
        history=baseline.outputs["evaluation"] if baseline else None,
        options=config.evaluate,
        samples=samples,
        source_hash=source_hash("components.sample_evaluator.executor"),
    )
    pusher = AtomicPusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=locations.serving)
        ),
        custom_config={"push": locations.push},
    ).with_id("Pusher")
    nodes = [
        example_gen,
        schema_importer,
        statistics,
        validator,
        *checks,
        transform,
        real_features,
        trainer,
        evaluator,
        pusher,
    ]
    nodes += [resolver for resolver in (base_model, baseline) if resolver]
    for node in nodes:
        if isinstance(node, BaseBeamComponent):
            # Options of the pipeline as a whole would come before those of a node, not yield.
            node.with_beam_pipeline_args(config.beam.arguments(node.id))
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=locations.artifacts,
        components=nodes,
        enable_cache=True,
        metadata_connection_config=metadata,
    )


def _drift_nodes(
    config: PipelineConfig, examples: BaseChannel, data_gate: DataGate, earlier_runs: bool
) -> list[BaseNode]:
    """DriftGate and the resolver of what it compares with, or nothing."""
    if not earlier_runs:
        if config.drift.on_drift == "hold":
            raise ConfigError(
                "drift.on_drift=hold needs the images of earlier runs, which cannot be found on "
                "this platform; set it to off"
            )
        return []
    if config.drift.on_drift == "off":
        return []
    reference = Resolver(
        strategy_class=LatestVerdictOnEarlierDataStrategy,
        verdict=Channel(type=DriftVerdict),
        examples=examples,
    ).with_id("DriftReference")
    gate = DriftGate(
        examples=examples,
        reference=reference.outputs["verdict"],
        options=config.drift,
        features=config.evaluate.features,
        source_hash=source_hash("components.drift_gate.executor"),
    )
    gate.add_upstream_node(data_gate)
    return [reference, gate]
