"""The verdicts of whole evaluations on planted models, 20 seeds each: what `make gate` prints."""

import collections
import functools
import json
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import apache_beam as beam
from evaluator_data import BEAM_ARGS, write_examples, write_model
from planted_models import RIGHT, plant

from components.real_features.executor import write_features
from components.sample_evaluator import names, sources
from components.sample_evaluator.describe import RealImages
from components.sample_evaluator.evaluation import EvaluatedModel, evaluate
from pipeline.config import load
from pipeline.evaluation.steps import write_transform_graph
from trainer import examples

SEEDS = range(20)


class Evaluator:
    """Evaluates models against one baseline and one set of real images."""

    def __init__(self, stock, options, folder):
        """Writes down the stocks of TRAIN, REAL and BASELINE, and the features of the real ones."""
        self._options, self._folder = options, pathlib.Path(folder)
        splits = {examples.TRAIN: stock[sources.TRAIN], examples.EVAL: stock[sources.REAL]}
        root = write_examples(self._folder / "examples", splits)
        folders = {split: [f"{root}/Split-{split}"] for split in splits}
        graph, features = str(self._folder / "graph"), self._folder / "features"
        _, side, _, channels = stock[sources.TRAIN].shape
        write_transform_graph(side, channels, graph)
        features.mkdir()
        write_features(beam.Pipeline(argv=BEAM_ARGS), folders, options, graph, str(features))
        self._real = RealImages(folders, str(features), graph)
        self._baseline = self._model("baseline", stock[sources.BASELINE])

    def judge(self, name, pixels):
        """The verdict on a model that draws these images."""
        output = self._output(name)
        output.mkdir()
        return evaluate(
            functools.partial(beam.Pipeline, argv=BEAM_ARGS),
            self._real,
            self._model(name, pixels),
            self._baseline,
            [],
            self._options,
            str(output),
        )

    def summary(self, name):
        """The content of metrics.json of a model that was judged."""
        return json.loads((self._output(name) / names.METRICS_JSON).read_text("utf-8"))

    def _output(self, name):
        return self._folder / f"evaluation of {name}"

    def _model(self, name, pixels):
        uri = write_model(self._folder / name, pixels)
        return EvaluatedModel(uri, f"{uri}/Format-Serving")


def main():
    options = load("digits").evaluate
    right = collections.Counter()
    for seed in SEEDS:
        stock, models = plant(seed)
        with tempfile.TemporaryDirectory() as folder:
            evaluator = Evaluator(stock, options, folder)
            for name, pixels in models.items():
                verdict = evaluator.judge(name, pixels)
                right[name] += verdict.blessed == RIGHT[name]
                print(f"{seed:2} {name:15} {'; '.join(verdict.reasons)}", flush=True)
    for name, blessed in RIGHT.items():
        print(f"{name:15} {'' if blessed else 'not '}blessed: {right[name]} of {len(SEEDS)}")


if __name__ == "__main__":
    main()
