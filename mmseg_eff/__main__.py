"""``python -m mmseg_eff``: the command ``mmseg-eff``."""

import sys

from .commands import main

if __name__ == '__main__':
    sys.exit(main())
