"""Convert COCO annotations or VOC labels:  python tools/convert_labels.py {coco,voc} SOURCE OUT"""

import sys

from mmseg_eff.commands.convert_labels import main

if __name__ == '__main__':
    sys.exit(main())
