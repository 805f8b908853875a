"""Check a data set:  python tools/check_dataset.py CONFIG [--out DIR]"""

import sys

from mmseg_eff.commands.check_dataset import main

if __name__ == '__main__':
    sys.exit(main())
