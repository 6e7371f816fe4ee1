"""`python -m sandbox.bench.profiled FILE ...`: `sandbox.host` with a profiler to switch on and off.

SIGUSR1 switches cProfile on, SIGUSR2 switches it off, writes FILE and ends the process; everything
else is the host's.
"""

import cProfile
import os
import signal
import sys

from sandbox.host.__main__ import main


def _profile(file: str) -> None:
    profiler = cProfile.Profile()
    signal.signal(signal.SIGUSR1, lambda *_: profiler.enable())

    def write(*_: object) -> None:
        profiler.disable()
        profiler.dump_stats(file)
        os._exit(0)

    signal.signal(signal.SIGUSR2, write)


if __name__ == "__main__":
    _profile(sys.argv.pop(1))
    sys.exit(main())
