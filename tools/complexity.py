"""Parameters and multiply-adds:  python tools/complexity.py CONFIG... [--size H W]"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.complexity import main

if __name__ == '__main__':
    sys.exit(main())
