"""Convert the authors' weights:  python tools/convert_weights.py NETWORK SOURCE TARGET"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.convert_weights import main

if __name__ == '__main__':
    sys.exit(main())
