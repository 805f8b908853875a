"""Check a data set:  python tools/check_dataset.py CONFIG [--out DIR]"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.check_dataset import main

if __name__ == '__main__':
    sys.exit(main())
