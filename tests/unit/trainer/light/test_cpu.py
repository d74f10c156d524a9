"""What the flags of a CPU tell of 16 bits."""

import pytest

from trainer.light import cpu


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("avx512_bf16", ["bfloat16"]),
        ("avx512f bf16x amx_tile", []),
        ("avx512_fp16 amx_bf16", ["bfloat16", "float16"]),
        ("amx_fp16", ["float16"]),
    ],
)
def test_a_cpu_multiplies_the_data_types_of_its_flags(tmp_path, monkeypatch, flags, found):
    (tmp_path / "cpuinfo").write_text(f"flags : fpu {flags} sse\n")
    monkeypatch.setattr(cpu, "INFO", tmp_path / "cpuinfo")
    assert [name for name in ("bfloat16", "float16") if cpu.multiplies(name)] == found


def test_a_cpu_that_is_not_described_multiplies_neither(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu, "INFO", tmp_path / "missing")
    assert not cpu.multiplies("bfloat16")
    assert not cpu.multiplies("float16")
