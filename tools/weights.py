"""Published weights by name:  python tools/weights.py {list | get NAME… | where NAME…}"""

import sys

from mmseg_eff.commands.weights import main

if __name__ == '__main__':
    sys.exit(main())
