"""Options of Beam: parsed once, and checked before anything is started."""

import contextlib
import io
from collections.abc import Sequence
from typing import TypeVar

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.runner import create_runner

LOCAL = "FnApiRunner"
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
            create_runner(options.view_as(StandardOptions).runner or LOCAL)
    except SystemExit:  # of argparse, which prints the usage and then the error
        return said.getvalue().strip().rpartition("error: ")[2]
    except ValueError as error:
        return " ".join(str(error).split())
    except ImportError:  # of the runner's library, which the machine of the nodes may have
        return ""
    return ""
