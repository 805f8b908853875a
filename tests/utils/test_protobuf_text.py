import pytest

from mmseg_eff.utils.protobuf_text import Word, protobuf_text, scalar_text


def test_messages_lists_and_names():
    message = dict(
        name='net',
        kind=Word('KIND_CPU'),
        size=8,
        dims=[-1, 3],
        input=[dict(name='a'), dict(name='b', policy=dict())],
    )
    assert protobuf_text(message).splitlines() == [
        'name: "net"',
        'kind: KIND_CPU',
        'size: 8',
        'dims: [-1, 3]',
        'input {',
        '  name: "a"',
        '}',
        'input {',
        '  name: "b"',
        '  policy {',
        '  }',
        '}',
    ]


@pytest.mark.parametrize(
    'text, expected',
    [
        ('a "b" \\', r'"a \042b\042 \134"'),
        ('two\nlines', r'"two\012lines"'),
        ('\xfc', r'"\303\274"'),
    ],
)
def test_strings_are_escaped(text, expected):
    assert scalar_text(text) == expected


def test_protobuf_reads_it_back():
    """By a message type of protobuf itself, which has strings and repeated messages."""
    pytest.importorskip('google.protobuf', reason='comes with onnx')
    from google.protobuf import descriptor_pb2, text_format

    names = ['image', 'a "b" \\ \n \xfc \u2028']
    message = dict(name=names[1], field=[dict(name=name, number=3) for name in names])
    parsed = text_format.Parse(protobuf_text(message), descriptor_pb2.DescriptorProto())
    assert parsed.name == names[1]
    assert [(field.name, field.number) for field in parsed.field] == [(n, 3) for n in names]
