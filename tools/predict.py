"""Segment images and videos:  python tools/predict.py CONFIG CHECKPOINT INPUT... --out DIR"""

import sys

from mmseg_eff.commands.predict import main

if __name__ == '__main__':
    sys.exit(main())
