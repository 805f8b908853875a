"""Write a config for images and labels of one's own."""

from pathlib import Path

from mmengine.registry import init_default_scope

from ..own_data import NewConfig, make_config
from ..utils.numbers import check_at_least
from ..utils.user_errors import on_interrupt

__all__ = ['NewConfig', 'init_config']


def init_config(
    data: str | Path,
    out: str | Path = 'my_data.py',
    *,
    network: str = 'balanced',
    seed: int = 0,
    workers: int | None = None,
) -> NewConfig:
    """Look at a folder of images and labels, check it, and write a config that trains on it.

    Found are the layout (``images/{train,val}`` with ``labels/{train,val}``, one folder of each,
    one folder of both, VOC's, Cityscapes', CamVid's, COCO's and other annotations), the split or a
    seeded one, the classes, the ignored value, and the sizes, channels and depth of the images.
    Labels that are no class indices are converted. The folder itself is not changed: what the
    config needs besides is written to ``{out without .py}_files``.

        new = init_config('photos', 'photos.py', network='fast')
        print(new.classes, new.pairs, *new.commands, sep='\\n')

    Args:
        data: Folder of the dataset.
        out: The config, at most 25 lines; must not exist.
        network: ``'fast'``, ``'balanced'`` or ``'accurate'``, or a family: ``'espnet'``,
            ``'espnetv2'``, ``'eseg'`` or ``'deeplab'``.
        seed: Of the split, where the dataset has none: a fifth of the images validates.
        workers: Processes that check the files; as many as cores by default.

    Returns:
        What was found and written, the report of the check and the next commands. Weights to start
        from are fetched here if need be; where they cannot be had, the config has none and
        ``notes`` says why.

    Raises:
        InputError: If there are no images with labels, labels cannot be told apart, or ``out``
            exists.
        OutputError: If a file cannot be written.
    """
    if workers is not None:
        check_at_least(1, workers=workers)
    check_at_least(0, seed=seed)
    init_default_scope('mmseg')
    with on_interrupt(f'{out} is not written; start it again'):
        return make_config(Path(data), Path(out), network, seed, workers)
