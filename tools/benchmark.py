"""Time networks stage by stage:  python tools/benchmark.py CONFIG_OR_EXPORT... [--peers]"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.benchmark import main

if __name__ == '__main__':
    sys.exit(main())
