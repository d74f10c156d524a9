"""The verdicts of whole evaluations, on models that draw given images."""

import json
import pathlib

import apache_beam as beam
from evaluator_data import BEAM_ARGS, write_examples, write_model

from components.real_features.component import write_features
from components.sample_evaluator import names, sources
from components.sample_evaluator.evaluate import evaluate
from components.sample_evaluator.evaluation import EvaluatedModel, Evaluation, RealImages
from pipeline.evaluation.transform_graph import write_transform_graph
from trainer import examples


class Evaluator:
    """Evaluates models against one baseline and one set of real images."""

    def __init__(self, stock, options, folder):
        """Writes down the stocks of TRAIN, REAL and BASELINE, and the features of the real ones."""
        self._options, self._folder = options, pathlib.Path(folder)
        splits = {examples.TRAIN: stock[sources.TRAIN], examples.EVAL: stock[sources.REAL]}
        root = write_examples(self._folder / "examples", splits)
        folders = {split: f"{root}/Split-{split}" for split in splits}
        graph, features = str(self._folder / "graph"), self._folder / "features"
        _, side, _, channels = stock[sources.TRAIN].shape
        write_transform_graph((side, side, channels), graph)
        features.mkdir()
        write_features(beam.Pipeline(argv=BEAM_ARGS), folders, options, graph, str(features))
        self._real = RealImages(folders, str(features), graph)
        self._baseline = self._model("baseline", stock[sources.BASELINE])

    def judge(self, name, pixels):
        """The verdict on a model that draws these images."""
        output = self._output(name)
        output.mkdir()
        return evaluate(
            Evaluation(
                self._real,
                self._model(name, pixels),
                self._options,
                str(output),
                self._baseline,
            )
        )

    def summary(self, name):
        """The content of metrics.json of a model that was judged."""
        return json.loads((self._output(name) / names.METRICS_JSON).read_text("utf-8"))

    def _output(self, name):
        return self._folder / f"evaluation of {name}"

    def _model(self, name, pixels):
        uri = write_model(self._folder / name, pixels)
        return EvaluatedModel(uri, f"{uri}/Format-Serving")
