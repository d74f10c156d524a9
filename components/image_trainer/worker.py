"""One of several processes that train together, as TF_CONFIG lists them.

    python -m components.image_trainer.worker CALL

CALL is the URI of a file with the function and its FnArgs, as `write_call` writes it. TFX's
components, which FnArgs is among, take seconds to import: the function is called with an object
that has the same attributes except `data_accessor`.

Whatever imports TensorFlow is imported in the functions below, where no garbage is collected.
"""

import json
import os
import sys
import traceback
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

import attr

from components.garbage import without_garbage_collection
from trainer.common import exit_codes
from trainer.common.progress_lines import printing
from trainer.light import gpus

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

RUN_FN = "run_fn"
FN_ARGS = "fn_args"


def write_call(uri: str, run_fn: str, fn_args: "FnArgs") -> None:
    """Writes a call as JSON.

    Args:
        uri: URI of the file.
        run_fn: dotted name of the function.
        fn_args: its argument; `data_accessor`, which holds functions, is not written.
    """
    from tfx.utils import io_utils

    values = attr.asdict(fn_args, filter=lambda field, _: field.name != "data_accessor")
    io_utils.write_string_file(uri, json.dumps({RUN_FN: run_fn, FN_ARGS: values}, indent=2))


def make_call(uri: str) -> None:
    """Makes the call that `write_call` wrote."""
    with without_garbage_collection():
        from tfx.dsl.io import fileio

        with fileio.open(uri) as file:
            call = json.load(file)
        module, _, name = call[RUN_FN].rpartition(".")
        function = getattr(import_module(module), name)
    with printing("training"):
        function(SimpleNamespace(**call[FN_ARGS]))


def main(uri: str) -> int:
    """Makes a call; a failure is the last line of stderr, and its cause the exit code."""
    if idle := gpus.why_idle():
        print(idle, flush=True)
    try:
        make_call(uri)
    except SystemExit as stop:
        _exit(int(stop.code or 0))
    except Exception as error:
        traceback.print_exc()
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        _exit(getattr(error, "exit_code", exit_codes.UNEXPECTED))
    return 0


def _exit(code: int) -> NoReturn:
    # A normal exit of TensorFlow waits for workers that may be gone, and logs more lines.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
