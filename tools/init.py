"""Write a config for a folder of images and labels:  python tools/init.py DATA [--network NAME]"""

import sys

from mmseg_eff.commands.init import main

if __name__ == '__main__':
    sys.exit(main())
