"""Which data types of 16 bits the CPU multiplies, as Linux describes it."""

import re
from pathlib import Path

INFO = Path("/proc/cpuinfo")
FLAGS = {"bfloat16": "bf16", "float16": "fp16"}  # behind that of the unit


def multiplies(precision: str) -> bool:
    """Whether the CPU multiplies bfloat16 or float16; otherwise TensorFlow emulates it."""
    try:
        info = INFO.read_text("utf-8")
    except OSError:  # not on Linux
        return False
    return bool(re.search(rf"\b(avx512|amx)_{FLAGS[precision]}\b", info))
