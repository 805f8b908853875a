"""Make a toy data set, train ESPNet on it and draw the result:  python tools/demo.py"""

import sys

from mmseg_eff.commands.demo import main

if __name__ == '__main__':
    sys.exit(main())
