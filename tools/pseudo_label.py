"""Label images by a network:  python tools/pseudo_label.py CONFIG CHECKPOINT IMAGE… --out DIR"""

import sys

from mmseg_eff.commands.pseudo_label import main

if __name__ == '__main__':
    sys.exit(main())
