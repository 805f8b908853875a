"""Draw loss and mIoU of a run:  python tools/plot_curves.py WORK_DIR [--out curves.png]"""

import sys

from mmseg_eff.commands.plot_curves import main

if __name__ == '__main__':
    sys.exit(main())
