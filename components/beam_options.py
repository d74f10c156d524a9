"""Options of Beam: parsed once, and checked before anything is started."""

import contextlib
import functools
import io
from typing import TypeVar

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.runner import create_runner

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


@functools.cache  # most nodes have the same
def refusal(arguments: tuple[str, ...]) -> str:
    """Why Beam cannot parse the arguments or has no such runner, in one line; empty if neither."""
    said = io.StringIO()
    try:
        # A runner may need a library that only the machine of the nodes has.
        with contextlib.redirect_stderr(said), contextlib.suppress(ImportError):
            options = BeamOptions([*arguments])
            options.get_all_options()
            if runner := options.view_as(StandardOptions).runner:
                create_runner(runner)
    except SystemExit:  # of argparse, which prints the usage and then the error
        return said.getvalue().strip().rpartition("error: ")[2]
    except (ValueError, AttributeError, TypeError) as error:
        return " ".join(str(error).split())
    return ""
