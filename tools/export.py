"""Export a network:  python tools/export.py CONFIG CHECKPOINT --out DIR [--backend openvino]"""

import sys

from mmseg_eff.commands.export import main

if __name__ == '__main__':
    sys.exit(main())
