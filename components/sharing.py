"""Objects that take long to load, shared by their users in a process."""

import functools
import threading
from collections.abc import Callable, Hashable
from typing import TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


def shared(load: Callable[..., T]) -> Callable[..., T]:
    """Makes a function return the same object again for equal arguments, while it is in use.

    Objects do not outlive their users, so what has changed on disk is loaded again.

    Args:
        load: a function of hashable arguments; what it returns can be referenced weakly.
    """
    in_use: WeakValueDictionary[tuple[Hashable, ...], T] = WeakValueDictionary()
    loading = threading.Lock()

    @functools.wraps(load)
    def get(*arguments: Hashable) -> T:
        with loading:
            found = in_use.get(arguments)
            if found is None:
                in_use[arguments] = found = load(*arguments)
            return found

    return get
