"""Serve an exported network over HTTP:  python tools/serve.py EXPORT"""

import sys

from mmseg_eff.commands.serve import main

if __name__ == '__main__':
    sys.exit(main())
