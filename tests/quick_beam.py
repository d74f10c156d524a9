"""Beam without two fifths of its cost.

It parses its options again for each transform and each check of types, inspects the same methods
again, and to measure what it caches, it walks through all modules.
"""

import inspect
import types
from weakref import WeakKeyDictionary

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.worker import statecache
from apache_beam.transforms import core, userstate
from apache_beam.typehints import decorators

from components.beam_options import BeamOptions

_view_as = PipelineOptions.view_as
_find_specs = userstate.get_dofn_specs
_specs = WeakKeyDictionary()  # of states and timers, by the class of a DoFn
_inspect = decorators.get_signature
_known = WeakKeyDictionary()  # signature of a function, and of the method that it is


def _get_signature(function):
    plain = getattr(function, "__func__", function)
    if not inspect.isfunction(plain):
        return _inspect(function)
    found = _known.setdefault(plain, {})
    bound = plain is not function
    if bound not in found:
        found[bound] = _inspect(function)
    return found[bound]


def _get_view(options, kind):
    """The same view again; all views of an object have the same values, and share their views.

    BeamOptions, which do the same, are left to themselves.
    """
    if isinstance(options, BeamOptions):
        return _view_as(options, kind)
    views = options.__dict__.setdefault("_views", {})
    if kind not in views:
        views[kind] = view = _view_as(options, kind)
        view.__dict__["_views"] = views
    return views[kind]


def _get_specs(dofn):
    if any(isinstance(value, types.MethodType) for value in vars(dofn).values()):
        return _find_specs(dofn)
    kind = type(dofn)
    if kind not in _specs:
        _specs[kind] = _find_specs(dofn)
    states, timers = _specs[kind]
    return set(states), set(timers)


def quicken():
    """Has Beam, in this process, look up once what does not change; see above."""
    PipelineOptions.view_as = _get_view
    userstate.get_dofn_specs = _get_specs
    decorators.get_signature = core.get_signature = _get_signature
    statecache.get_deep_size = lambda *objects: 1
