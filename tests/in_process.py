"""Workers of a benchmark in the test's own process."""

from mmseg_eff.benchmarking.stages import load_candidate, run_once
from mmseg_eff.benchmarking.workers import Facts

MEMORY = 123.4


def replace_workers(monkeypatch) -> list:
    """Let a benchmark start no process; the arguments of the workers that it asks for."""
    asked = []

    class InProcess:
        def __init__(self, *args):
            asked.append(args)
            self.segmentor, self.clock = load_candidate(*args)

        def run(self, image, out):
            return run_once(self.segmentor, self.clock, image, out)

        def facts(self):
            return Facts(self.clock.engine, self.clock.input_shape, MEMORY)

        def close(self):
            pass

    monkeypatch.setattr('mmseg_eff.benchmarking.run.Worker', InProcess)
    return asked
