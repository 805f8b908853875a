"""What a machine's times depend on: its class of processor."""

import os
import platform
from pathlib import Path

CPU_INFO = Path('/proc/cpuinfo')
ABILITIES = {  # in words -> flags of Linux, of which one is enough
    'AVX2': {'avx2'},
    'AVX-512': {'avx512f'},
    'int8 (VNNI)': {'avx512_vnni', 'avx_vnni'},
    'bf16': {'avx512_bf16', 'amx_bf16', 'bf16'},
    'f16': {'avx512_fp16', 'amx_fp16', 'asimdhp'},
}


def processor() -> str:
    """Name, cores and abilities of the processor, as ``AMD EPYC, 2 cores, AVX2; without bf16``."""
    text = CPU_INFO.read_text() if CPU_INFO.exists() else ''
    lines = dict(line.split(':', 1) for line in text.splitlines() if ':' in line)
    facts = {key.strip(): value.strip() for key, value in lines.items()}
    name = facts.get('model name') or platform.processor() or platform.machine()
    flags = set((facts.get('flags') or facts.get('Features') or '').split())
    words = [name, f'{os.cpu_count()} cores']
    if not flags:
        return ', '.join(words)
    has = [word for word, names in ABILITIES.items() if names & flags]
    lacks = [word for word in ABILITIES if word not in has]
    return ', '.join(words + has) + (f'; without {", ".join(lacks)}' if lacks else '')
