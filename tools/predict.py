"""Segment images and videos:  python tools/predict.py CONFIG CHECKPOINT INPUT... --out DIR"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.predict import main

if __name__ == '__main__':
    sys.exit(main())
