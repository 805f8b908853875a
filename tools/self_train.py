"""Self-training:  python tools/self_train.py TEACHER_CONFIG STUDENT_CONFIG --work-dir DIR"""

import sys

if __name__ == '__main__':
    from _interrupts import end_in_one_line

    end_in_one_line()

from mmseg_eff.commands.self_train import main

if __name__ == '__main__':
    sys.exit(main())
