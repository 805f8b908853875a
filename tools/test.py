"""Evaluate a checkpoint:  python tools/test.py CONFIG CHECKPOINT [--tta] [--cfg-options k=v ...]"""

import sys

from mmseg_eff.commands.test import main

if __name__ == '__main__':
    sys.exit(main())
