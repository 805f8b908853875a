import subprocess
import sys

COMMAND = """
import sys
from multiprocessing import get_context

import mmseg_eff


def is_registered():
    return 'mmseg_eff.models' in sys.modules


if __name__ == '__main__':
    with get_context('spawn').Pool(1) as pool:
        print(is_registered(), pool.apply(is_registered))
"""


def test_spawned_processes_of_a_command_register(tmp_path):
    """Unlike the command itself, which parses its arguments before."""
    program = tmp_path / 'mmseg-eff'
    program.write_text(COMMAND)
    result = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert 'False True' in result.stdout.splitlines()  # the fork prints lines of its own
