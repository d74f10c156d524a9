"""Exit codes of the command line, by cause; an error class has the one of its cause as `exit_code`.

Every layer raises such errors, so this module is the lowest and imports nothing of the project.
"""

import signal

UNEXPECTED = 1
USAGE = 2  # wrong usage or configuration, as in click
DATA = 3  # wrong data
WORKSPACE = 4  # cannot write: workspace in use, read-only or full
NOT_BLESSED = 5  # done, but the model was rejected or withdrawn
CLUSTER = 6  # Kubeflow is unreachable, rejects the request, or the run failed there
HELD = 7  # data held for review
STORAGE = 8  # the storage of the images does not answer, or refuses the credentials
# Of failures that a person can do something about.
CAUSES = {USAGE, DATA, WORKSPACE, CLUSTER, HELD, STORAGE}
TIMED_OUT = 124  # as coreutils' timeout
INTERRUPTED = 128 + signal.SIGINT  # as shells
TERMINATED = 128 + signal.SIGTERM
