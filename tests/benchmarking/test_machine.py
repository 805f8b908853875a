from mmseg_eff.benchmarking import machine


def test_abilities_and_what_is_missing(tmp_path, monkeypatch):
    info = tmp_path / 'cpuinfo'
    info.write_text('model name\t: A CPU\nflags\t\t: fpu avx2 avx512f amx_bf16\n')
    monkeypatch.setattr(machine, 'CPU_INFO', info)
    monkeypatch.setattr(machine.os, 'cpu_count', lambda: 4)
    assert machine.processor() == 'A CPU, 4 cores, AVX2, AVX-512, bf16; without int8 (VNNI), f16'
    info.write_text('')
    assert machine.processor().endswith(', 4 cores')
