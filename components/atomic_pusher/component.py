"""AtomicPusher: TFX's Pusher with versions that appear atomically."""

from tfx.components.pusher.component import Pusher
from tfx.dsl.components.base import executor_spec

from components.atomic_pusher.executor import Executor


class AtomicPusher(Pusher):
    """Pushes a blessed model that was not withdrawn to the folder of `push_destination`.

    The arguments and the output are those of TFX's Pusher. They include no hash of the source,
    because a changed pusher must not push again.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
