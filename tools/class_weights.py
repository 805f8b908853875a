"""Class weights of a data set:  python tools/class_weights.py CONFIG [--method NAME]"""

import sys

from mmseg_eff.commands.class_weights import main

if __name__ == '__main__':
    sys.exit(main())
