"""AtomicPusher: TFX's Pusher, whose versions are never seen half."""

from tfx.components.pusher.component import Pusher
from tfx.dsl.components.base import executor_spec

from components.atomic_pusher.executor import Executor


class AtomicPusher(Pusher):
    """Pushes a blessed model that was not withdrawn to the folder of `push_destination`.

    The arguments and the output are those of TFX's Pusher. No hash of the source is among them: a
    changed pusher is no reason to push again.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
