"""The base of the executors that run on Beam."""

import apache_beam as beam
from tfx.dsl.components.base import base_beam_executor

from components.beam_options import BeamOptions


class BeamExecutor(base_beam_executor.BaseBeamExecutor):
    """An executor whose pipelines parse the options of Beam once."""

    def _make_beam_pipeline(self) -> beam.Pipeline:
        return beam.Pipeline(options=BeamOptions(self._beam_pipeline_args))
