"""Self-training:  python tools/self_train.py TEACHER_CONFIG STUDENT_CONFIG --work-dir DIR"""

import sys

from mmseg_eff.commands.self_train import main

if __name__ == '__main__':
    sys.exit(main())
