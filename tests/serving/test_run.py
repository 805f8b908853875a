import re
import socket

import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.serving import run


def test_port_in_use():
    with run.listen('127.0.0.1', 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(('127.0.0.1', port)):  # it listens before the network loads
            message = f'127.0.0.1:{port}: cannot listen (Address already in use)'
            with pytest.raises(InputError, match=re.escape(message)):
                run.listen('127.0.0.1', port)


def test_no_address_of_this_machine():
    with pytest.raises(InputError, match=r'192\.0\.2\.1:8000: cannot listen \('):
        run.listen('192.0.2.1', 8000)
