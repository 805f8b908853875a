"""Convert the authors' weights:  python tools/convert_weights.py NETWORK SOURCE TARGET"""

import sys

from mmseg_eff.commands.convert_weights import main

if __name__ == '__main__':
    sys.exit(main())
