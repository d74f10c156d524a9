"""Options of Beam that are parsed once."""

from typing import TypeVar

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
