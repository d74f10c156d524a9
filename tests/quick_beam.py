"""Beam without a fifth of its cost.

It inspects the same methods again for each transform, and to measure what it caches, it walks
through all modules.
"""

import inspect
from weakref import WeakKeyDictionary

from apache_beam.runners.worker import statecache
from apache_beam.transforms import core
from apache_beam.typehints import decorators

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


def quicken():
    """Has Beam, in this process, inspect each function once and measure nothing that it caches."""
    decorators.get_signature = core.get_signature = _get_signature
    statecache.get_deep_size = lambda *objects: 1
