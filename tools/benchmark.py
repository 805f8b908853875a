"""Time networks stage by stage:  python tools/benchmark.py CONFIG_OR_EXPORT... [--peers]"""

import sys

from mmseg_eff.commands.benchmark import main

if __name__ == '__main__':
    sys.exit(main())
