import inspect

from mmseg_eff.apis.labelling import pseudo_label
from mmseg_eff.commands._arguments import ToolParser
from mmseg_eff.commands.pseudo_label import add_arguments
from mmseg_eff.self_training.pseudo_options import FLAGS, VALUES, command_options

ARGUMENTS = dict(
    scales=(0.5, 1.0),
    confidence=0.7,
    class_confidence={'traffic sign': 0.2},
    class_share=0.3,
    overlays=4,
    device='cpu',
    flip=False,
    save_confidence=True,
)


def parse(words):
    parser = ToolParser()
    add_arguments(parser)
    return parser.parse_args(['config', 'checkpoint', 'image', '--out', 'out', *words])


def test_the_command_reads_the_options():
    assert ARGUMENTS.keys() == VALUES.keys() | FLAGS.keys()
    args = parse(command_options(ARGUMENTS))
    assert (args.scales, args.confidence, args.class_share) == ([0.5, 1.0], 0.7, 0.3)
    assert args.class_confidence == ['traffic sign=0.2']
    assert (args.overlays, args.device) == (4, 'cpu')
    assert args.no_flip and args.save_confidence


def test_the_options_are_arguments_of_the_function():
    assert inspect.signature(pseudo_label).parameters.keys() >= ARGUMENTS.keys()


def test_defaults_need_no_option():
    parameters = inspect.signature(pseudo_label).parameters
    defaults = {name: parameters[name].default for name in FLAGS}
    assert command_options({**defaults, 'confidence': None}) == []
    assert (
        vars(parse([])).items()
        >= dict(
            scales=list(parameters['scales'].default), overlays=parameters['overlays'].default
        ).items()
    )
