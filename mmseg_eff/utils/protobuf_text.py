"""Write messages in protobuf's text format."""

from collections.abc import Iterator, Mapping


class Word(str):
    """A value of an enumeration, which is written without quotes."""


def protobuf_text(message: Mapping[str, object], indent: str = '') -> str:
    """A message in protobuf's text format.

    Args:
        message: Field -> a string, a ``Word``, a number, a message, or a list of them.
        indent: What each line begins with.
    """
    return ''.join(f'{indent}{line}\n' for line in lines_of(message, indent))


def lines_of(message: Mapping[str, object], indent: str) -> Iterator[str]:
    for field, value in message.items():
        if isinstance(value, list) and not any(isinstance(item, Mapping) for item in value):
            yield f'{field}: [{", ".join(map(scalar_text, value))}]'
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping):
                yield f'{field} {{\n{protobuf_text(item, indent + "  ")}{indent}}}'
            else:
                yield f'{field}: {scalar_text(item)}'


def scalar_text(value: object) -> str:
    """A number, a name or a string in quotes, with what is not plain ASCII as octal bytes."""
    if not isinstance(value, str) or isinstance(value, Word):
        return str(value)
    plain = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f'\\{byte:03o}'
        for byte in value.encode()
    )
    return f'"{"".join(plain)}"'
