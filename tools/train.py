"""Train a model:  python tools/train.py CONFIG [--work-dir DIR] [--cfg-options k=v ...]"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.train import main

if __name__ == '__main__':
    sys.exit(main())
