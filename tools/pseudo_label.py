"""Label images by a network:  python tools/pseudo_label.py CONFIG CHECKPOINT IMAGE… --out DIR"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.pseudo_label import main

if __name__ == '__main__':
    sys.exit(main())
