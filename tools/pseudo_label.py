"""Label images by a network:  python tools/pseudo_label.py CONFIG CHECKPOINT IMAGE… --out DIR"""

import os
import signal
import sys


def stop(number: int, _frame: object) -> None:
    """End at once while Python imports: there is nothing to keep, and raising would be dropped."""
    os.write(2, b'interrupted: nothing was written; start the command again\n')
    os._exit(128 + number)


if __name__ == '__main__':
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)

from mmseg_eff.apis.pseudo_label import main  # noqa: E402

if __name__ == '__main__':
    sys.exit(main())
