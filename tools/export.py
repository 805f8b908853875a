"""Export a network:  python tools/export.py CONFIG CHECKPOINT --out DIR [--backend openvino]"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.export import main

if __name__ == '__main__':
    sys.exit(main())
