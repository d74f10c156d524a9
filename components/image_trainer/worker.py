"""One of several processes that train together; TF_CONFIG tells them of each other.

    python -m components.image_trainer.worker CALL

CALL is the URI of a file that names the function and its FnArgs, as `write_call` makes it.
"""

import json
import os
import sys
import traceback
from typing import NoReturn

import attr
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.util import udf_utils
from tfx.dsl.io import fileio
from tfx.types import standard_component_specs
from tfx.utils import io_utils

RUN_FN = standard_component_specs.RUN_FN_KEY
FN_ARGS = "fn_args"


def write_call(uri: str, run_fn: str, fn_args: FnArgs) -> None:
    """Writes a call down as JSON.

    Args:
        uri: of the file.
        run_fn: dotted name of the function.
        fn_args: its argument; `data_accessor`, which holds functions, does not travel.
    """
    values = attr.asdict(fn_args, filter=lambda field, _: field.name != "data_accessor")
    io_utils.write_string_file(uri, json.dumps({RUN_FN: run_fn, FN_ARGS: values}, indent=2))


def make_call(uri: str) -> None:
    """Makes the call that `write_call` wrote down."""
    with fileio.open(uri) as file:
        call = json.load(file)
    udf_utils.get_fn(call, RUN_FN)(FnArgs(**call[FN_ARGS]))


def main(uri: str) -> int:
    """Makes a call; the last line of a failure tells it."""
    try:
        make_call(uri)
    except SystemExit as stop:
        _end(int(stop.code or 0))
    except Exception as error:
        traceback.print_exc()
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        _end(1)
    return 0


def _end(code: int) -> NoReturn:
    # TensorFlow's own end waits for workers that may be gone, and has the last word.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
