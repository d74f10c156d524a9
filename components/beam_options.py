"""Options of Beam: parsed once, and checked before anything is started."""

import contextlib
import io
from collections.abc import Sequence
from typing import TypeVar

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

View = TypeVar("View", bound=PipelineOptions)


class BeamOptions(PipelineOptions):
    """Returns the same view again.

    Beam asks for a view of its options several times per transform, and each time parses the
    command line. All views of an object have the same values.
    """

    def view_as(self, cls: type[View]) -> View:
        """Returns the options that one class of Beam declares."""
        views = self.__dict__.setdefault("_views", {})  # other attributes would be options
        if cls not in views:
            views[cls] = super().view_as(cls)
        return views[cls]


def refusal(arguments: Sequence[str]) -> str:
    """Why Beam refuses arguments, in one line, as it would when a node starts; empty if not."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = BeamOptions(list(arguments))
            options.get_all_options()
            beam.Pipeline(options=options)
    except SystemExit:  # of argparse, which prints the usage and then the error
        return said.getvalue().strip().rpartition("error: ")[2]
    except Exception as error:  # a runner without its library may raise anything
        return " ".join(str(error).split())
    return ""
