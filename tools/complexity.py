"""Parameters and multiply-adds:  python tools/complexity.py CONFIG... [--size H W]"""

import sys

from mmseg_eff.commands.complexity import main

if __name__ == '__main__':
    sys.exit(main())
