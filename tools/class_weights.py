"""Class weights of a data set:  python tools/class_weights.py CONFIG [--method NAME]"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.class_weights import main

if __name__ == '__main__':
    sys.exit(main())
