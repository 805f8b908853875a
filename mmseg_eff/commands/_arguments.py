"""Arguments of the commands: numbers that are checked, one line for a wrong one, config settings.

A type here raises ``ArgumentTypeError``; ``ToolParser`` turns it into an ``InputError`` that names
the option. Libraries are imported only where a value needs one, so that ``--help`` comes at once.
"""

import argparse
import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import NoReturn

from ..errors import InputError
from ..utils.names import HUB


class ToolParser(argparse.ArgumentParser):
    """``ArgumentParser`` whose wrong values are an ``InputError``, so one line and status 1.

    What is wrong with the usage, as an unknown option, is argparse's: usage and status 2.
    """

    def error(self, message: str) -> NoReturn:
        match = re.match(r'argument (\S+): (must .*)', message)
        if match:
            raise InputError(f'{match[1].rpartition("/")[2]} {match[2]}')
        super().error(message)


def finite_number(text: str) -> float:
    """The type of an option that is a number, neither NaN nor infinite."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentTypeError(f'must be a finite number, got {text!r}')
    return number


def whole_number(at_least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number of ``at_least`` or more."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError as error:
            raise ArgumentTypeError(f'must be a whole number, got {text!r}') from error
        if number < at_least:
            raise ArgumentTypeError(f'must be {at_least} or more, got {number}')
        return number

    return read


def device(text: str) -> str:
    """The type of an option that is a device of torch, present on this machine."""
    import torch

    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition('\n')[0]
        raise ArgumentTypeError(f'must be a device such as cpu, got {text!r}: {reason}') from error
    return text


def checkpoint(text: str) -> str:
    """The type of an argument that is a checkpoint: a file, or ``hub:NAME``, which is fetched."""
    if not text.startswith(HUB):
        return text
    from ..registration import register

    register()  # or mmseg, which the hub's converters need, cannot be imported
    from ..hub import resolve

    try:
        return resolve(text)
    except InputError as error:
        raise ArgumentTypeError(f'must be a file or published weights: {error}') from error


class Settings(argparse.Action):
    """mmengine's ``DictAction`` with an ``InputError`` for what is no key=value, or not finite."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        from mmengine.config import DictAction

        read = DictAction(self.option_strings, self.dest)
        for item in values:
            key, is_pair, value = item.partition('=')
            if not key or not is_pair:
                raise InputError(f'{option_string} takes key=value, got {item!r}')
            try:
                read(parser, namespace, [item], option_string)
            except (AssertionError, ValueError) as error:
                raise InputError(f'{option_string} {key}: cannot read {value!r}') from error
            if not is_finite(getattr(namespace, self.dest)[key]):
                raise InputError(
                    f'{option_string} {key} must be finite, got {value!r}; a config may hold it'
                )


def is_finite(value: object) -> bool:
    """Whether no number in nested lists is NaN or infinite."""
    if isinstance(value, list | tuple):
        return all(map(is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
