"""Train a model:  python tools/train.py CONFIG [--work-dir DIR] [--cfg-options k=v ...]"""

import sys

from mmseg_eff.commands.train import main

if __name__ == '__main__':
    sys.exit(main())
