"""The steps of an evaluation outside a pipeline.

Each calls the function of the component that does the same in a pipeline, so the numbers are those
of a run on the same images.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import apache_beam as beam

from components.beam_options import BeamOptions
from components.features.options import choose_features
from components.image_example_gen import names as example_names
from components.images.described import shared_extractor
from components.progress import FEATURES
from components.real_features import names as feature_names
from components.real_features.component import write_features
from components.sample_evaluator import sources
from components.sample_evaluator.evaluate import evaluate
from components.sample_evaluator.evaluation import (
    EvaluatedModel,
    Evaluation,
    RealImages,
    StoredImages,
)
from components.sample_evaluator.samples.sampler import load_sampler
from components.sample_evaluator.verdict.plan import announce
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.evaluation.compared_images import IMAGES_JSON, ComparedImages, counts_by_split
from pipeline.evaluation.division import divide
from pipeline.evaluation.inputs import Inputs, Judged
from pipeline.evaluation.judged_models import check_sources, image_options, kind_of_sources
from pipeline.evaluation.transform_graph import write_transform_graph
from trainer import examples
from trainer.common.progress import phase
from trainer.common.signals import raise_lost_stop


def run(
    inputs: Inputs,
    config: PipelineConfig,
    output: Path,
    report: Callable[[str], None],
    remarks: Sequence[str] = (),
) -> list[str]:
    """Writes an evaluation to a folder; errors and `config` as in `evaluate_candidate`.

    Args:
        inputs: the folders.
        config: of the evaluation.
        output: folder for the results.
        report: receives lines for a person.
        remarks: sentences about the comparison, which become warnings of the verdict.

    Returns:
        The images that were compared, one line per set.
    """
    # Referenced to the end, or each step would load the models again.
    samplers = {
        each.folder: load_sampler(str(each.folder))
        for each in inputs.judged().values()
        if each.is_model
    }
    degrade, paired = kind_of_sources(samplers.values())
    check_sources(samplers.values(), inputs.sources)
    division = None
    if not inputs.training:
        division = divide(config.data, {at: each.metadata for at, each in samplers.items()})
        if division.line:
            report(division.line)
    options = image_options(config, samplers.values(), division)
    compared = ComparedImages(inputs, division, paired)
    features = choose_features(config.evaluate.features, options.shape)

    scratch = output / "scratch"
    reports = compared.convert(_pipelines(config, example_names.NODE), options, scratch)
    (output / IMAGES_JSON).write_text(json.dumps(reports, indent=1), "ascii")
    compared.check_counts(reports, config.evaluate)
    counts = counts_by_split(reports)
    graph = str(scratch / "transform_graph")
    with phase("building the graph that decodes images"):
        beside = paired and inputs.sources is not None
        write_transform_graph(options.shape, graph, degrade, paired=beside)

    # A model draws as many samples as there are of the fewest other images, training images aside.
    available = min(count for split, count in counts.items() if split != examples.TRAIN)
    evaluate_options = config.evaluate.without_holdout().model_copy(
        update={"samples": min(config.evaluate.samples, available), "features": features}
    )
    for line in announce(evaluate_options, available, options.shape):
        report(line)
    real = RealImages(
        {split: str(scratch / split) for split in sorted(counts.keys() - compared.stored())},
        str(scratch / "features"),
        graph,
    )
    Path(real.features).mkdir()
    with phase(FEATURES):
        _extractor = shared_extractor(features)  # also referenced to the end
        make_pipeline = _pipelines(config, feature_names.NODE)
        write_features(make_pipeline(), real.examples, evaluate_options, graph, real.features)
    judged = {name: _evaluated(name, each, scratch) for name, each in inputs.judged().items()}
    raise_lost_stop()
    evaluate(
        Evaluation(
            real=real,
            candidate=judged[sources.CANDIDATE],
            baseline=judged.get(sources.BASELINE),
            options=evaluate_options,
            output=str(output),
            folders=compared.locations(),
            remarks=remarks,
        )
    )
    shutil.rmtree(scratch)
    return list(compared.describe(reports, evaluate_options))


def _evaluated(name: str, judged: Judged, scratch: Path) -> EvaluatedModel | StoredImages:
    uri = str(judged.folder)
    return EvaluatedModel(uri, uri) if judged.is_model else StoredImages(uri, str(scratch / name))


def _pipelines(config: PipelineConfig, component: str) -> Callable[[], beam.Pipeline]:
    """Makes empty pipelines, as those of a component."""

    def make() -> beam.Pipeline:
        raise_lost_stop()
        return beam.Pipeline(options=BeamOptions(config.beam.arguments(component)))

    return make
