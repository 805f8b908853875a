"""Write the weights of a network alone:  python tools/publish.py CONFIG CHECKPOINT TARGET"""

import sys

from mmseg_eff.commands.publish import main

if __name__ == '__main__':
    sys.exit(main())
