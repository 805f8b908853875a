"""Names, prefixes and environment variables that several layers share."""

from pathlib import Path

HUB = 'hub:'  # what the name of published weights begins with where a checkpoint is expected
TRACEBACK_VARIABLE = 'MMSEG_EFF_TRACEBACK'  # set in the environment: errors keep their traceback
PRECISIONS = ('f32', 'bf16', 'f16', 'int8')  # of exported networks
BACKENDS = Path(__file__).parent.parent / 'deploy/backends'


def backend_names() -> tuple[str, ...]:
    """Names of the export's backends, of which each is a file."""
    stems = sorted(path.stem for path in BACKENDS.glob('*.py'))
    return tuple(stem.replace('_', '-') for stem in stems if not stem.startswith('_'))
