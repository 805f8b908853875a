"""Published weights by name:  python tools/weights.py {list | get NAME… | where NAME…}"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.weights import main

if __name__ == '__main__':
    sys.exit(main())
