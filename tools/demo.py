"""Make a toy data set, train ESPNet on it and draw the result:  python tools/demo.py"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.demo import main

if __name__ == '__main__':
    sys.exit(main())
