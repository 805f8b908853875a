"""Convert arguments of ``pseudo_label`` to command-line options of ``tools/pseudo_label.py``."""

from collections.abc import Mapping, Sequence

from ..errors import InputError

VALUES = {  # argument -> option that takes its value
    'scales': '--scales',
    'confidence': '--confidence',
    'class_confidence': '--class-confidence',
    'class_share': '--class-share',
    'overlays': '--overlays',
    'device': '--device',
}
FLAGS = {'flip': ('--no-flip', False), 'save_confidence': ('--save-confidence', True)}


def command_options(options: Mapping[str, object] | Sequence[str]) -> list[str]:
    """Command-line options of ``tools/pseudo_label.py``.

    Args:
        options: Arguments by name, such as ``dict(class_share=0.5, flip=False)``; or options as on
            the command line, which are returned as they are.

    Raises:
        InputError: If there is no such argument.
    """
    if not isinstance(options, Mapping):
        return list(options)
    allowed = [*VALUES, *FLAGS]
    unknown = [name for name in options if name not in allowed]
    if unknown:
        raise InputError(f'pseudo_options: no {unknown[0]!r}; allowed are {", ".join(allowed)}')
    words = []
    for name, value in options.items():
        if name in FLAGS:
            option, needed_for = FLAGS[name]
            words += [option] if bool(value) is needed_for else []
        elif value is not None:
            words += [VALUES[name], *words_of(value)]
    return words


def words_of(value: object) -> list[str]:
    """A value as words of a command line."""
    if isinstance(value, Mapping):
        return [f'{key}={item}' for key, item in value.items()]
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]
