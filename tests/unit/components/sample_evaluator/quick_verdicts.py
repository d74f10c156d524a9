"""The gate's verdict on stocks of images, without sampling, files and Beam's workers.

TFMA's computations are run in this process on the features of the stocks, those alone that decide,
and judged by TFMA's validation and the gate: so what decides is the real thing, in a fraction of a
second.
"""

import functools
import hashlib
import itertools

import numpy as np
from tensorflow_model_analysis.evaluators import metrics_validator
from tensorflow_model_analysis.metrics import metric_specs, metric_types

from components.features import load_extractor
from components.features.options import SEARCH_SPACE
from components.images.features import ImageFeatures
from components.metrics import CATALOG
from components.metrics.fidelity_and_diversity import FidelityAndDiversity
from components.metrics.image_statistics import ImageStatistics, statistics_of
from components.metrics.neighbors import nearest
from components.sample_evaluator import sources
from components.sample_evaluator.measure import results
from components.sample_evaluator.measure.analysis import make_extracts
from components.sample_evaluator.measure.eval_config import make_eval_config
from components.sample_evaluator.samples.draw import draw_noise
from components.sample_evaluator.verdict import gate


@functools.cache
def _search_extractor():
    return load_extractor(SEARCH_SPACE)


def extract_views(pixels):
    """Images uint8 [N, H, W, C], as they are and mirrored, in SEARCH_SPACE: float [2, N, D]."""
    return np.stack([_search_extractor()(view) for view in (pixels, pixels[:, :, ::-1])])


def with_noise(stock):
    """Adds the noise that an evaluation from seed 0 compares with."""
    count, *shape = stock[sources.REAL].shape
    noise = draw_noise((list(range(count)), [""] * count), sources.NOISE, shape)
    return stock | {sources.NOISE: noise.images}


def judge(stock, vectors, options, views, best=None):
    """The gate's verdict.

    Args:
        stock: uint8 [N, H, W, C] by source; those of TRAIN are all training images, of the others
            there are equally many. NOISE may be missing: then there are no places.
        vectors: their features, float [N, d] by source.
        options: EvaluateOptions.
        views: by source, what `extract_views` returned.
        best: the best places of earlier models.
    """
    return judge_with_results(stock, vectors, options, views, best)[0]


def judge_with_results(stock, vectors, options, views, best=None):
    """The gate's verdict and the results that led to it."""
    extracts = list(_extracts(stock, vectors, views))
    config = make_eval_config(options, baseline=sources.BASELINE in stock, by_label=False)
    metrics = {}
    for computation in metric_specs.to_computations(config.metrics_specs, config):
        if isinstance(computation, metric_types.DerivedMetricComputation):
            if not _is_only_shown(computation, options):
                metrics |= computation.result(metrics)
        elif computation.keys[0] not in metrics:
            metrics |= _combine(computation, extracts)
    values = {source: {} for source in (*stock, sources.NOISE)}
    for key, value in metrics.items():
        if key.model_name in values:
            values[key.model_name][key.name] = value
    found = {source: results.parse(numbers) for source, numbers in values.items()}
    validation = metrics_validator.validate_metrics(((), metrics), config)
    return gate.judge(found, validation, options, best=best), found


def _is_only_shown(computation, options):
    warned_of = FidelityAndDiversity._fields
    shown = CATALOG.keys() - options.judged.keys() - {*warned_of} | {
        results.tfma_name("kid", "stddev")
    }
    return {key.name for key in computation.keys} <= shown


def _combine(computation, extracts):
    [preprocessor], combiner = computation.preprocessors, computation.combiner
    accumulator = combiner.create_accumulator()
    for element in itertools.chain.from_iterable(map(preprocessor.process, extracts)):
        accumulator = combiner.add_input(accumulator, element)
    return combiner.extract_output(accumulator)


def _extracts(stock, vectors, views):
    """What `analysis.Analyze` makes of the images."""
    count = len(vectors[sources.REAL])
    for source, found in vectors.items():
        rows = _first(stock[source], count) if source == sources.TRAIN else np.arange(count)
        images, found, searched = stock[source][rows], found[rows], views[source][:, rows]
        known = views[sources.TRAIN][0]
        straight, mirrored = (nearest(view, known).distances for view in searched)
        statistics = zip(*statistics_of(images), strict=True)
        distances = np.minimum(straight, mirrored)
        for i, (distance, numbers) in enumerate(zip(distances, statistics, strict=True)):
            image = images[i]
            yield make_extracts(
                ImageFeatures(
                    source,
                    i.to_bytes(8, "big"),
                    label="",
                    flat=bool((image == image[0, 0]).all()),
                    digest=hashlib.sha256(image.tobytes()).digest(),
                    vector=found[i],
                    distance=distance,
                    views=searched[:, i],
                    mirrored=bool(mirrored[i] < straight[i]),
                    statistics=ImageStatistics._make(numbers),
                )
            )


def _first(images, count):
    """The rows of the images that an evaluation takes as floor, in its order."""
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    return np.array(sorted(range(len(images)), key=digests.__getitem__)[:count])
