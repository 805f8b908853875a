"""Fixes that let mmseg 1.2.2 (or its maintained fork, onedl) run on today's torch and setuptools.

``mmseg_eff.register()`` calls ``apply()`` first. Each fix is one function, which changes nothing
that works already. None of them touches ``torch.load``, and ``weights_only=True`` stays in force.
"""

import functools
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from ._lazy_packages import after_import

if TYPE_CHECKING:
    import numpy as np

STOCK = ('mmengine', 'mmengine-lite', 'mmcv', 'mmcv-lite', 'mmsegmentation')
FORK = ('onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation')
PACKAGE_ROOT = Path(__file__).parent
NUMBER_CODES = ('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8')


def apply() -> None:
    """Apply every fix once; must run before mmseg is imported.

    Raises:
        ImportError: If both stacks are installed in this environment.
    """
    refuse_two_stacks()
    provide_mmcv_ext()
    allow_checkpoint_globals()
    replace_pkg_resources()
    announce_package()
    for name, fix in FIXES.items():
        after_import(name, fix)


def is_distribution(name: str) -> bool:
    """Whether a distribution of this name is installed."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def refuse_two_stacks() -> None:
    """Stock OpenMMLab and the fork share import names and overwrite each other's files."""
    stock = [name for name in STOCK if is_distribution(name)]
    fork = [name for name in FORK if is_distribution(name)]
    if stock and fork:
        raise ImportError(
            f'two OpenMMLab stacks are installed: {", ".join(stock)} and {", ".join(fork)}. They '
            'overwrite each other: make a new environment with one of them'
        )


class _MissingExtension(types.ModuleType):
    """Placeholder for ``mmcv._ext``: it can be imported, and its ops raise when they are called."""

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('__'):
            raise AttributeError(name)
        if name in ('get_compiler_version', 'get_compiling_cuda_version'):
            return lambda: 'n/a'  # asked by mmcv.utils.collect_env

        def missing(*args, **kwargs):
            raise RuntimeError(f'the op {name} needs mmcv with its compiled extension')

        return missing


def provide_mmcv_ext() -> None:
    """mmseg imports ``mmcv.ops`` (for ``point_sample``, pure torch), mmcv-lite has no ``_ext``."""
    name = 'mmcv._ext'
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        module = _MissingExtension(name)
        module.__spec__ = ModuleSpec(name, None)  # no loader: mmcv_full_available() stays False
        sys.modules[name] = module
    complete_transformer()


def complete_transformer() -> None:
    """Give ``mmcv.cnn.bricks.transformer`` the class that it skips where mmcv-lite has no ``_ext``.

    If it was imported before ``provide_mmcv_ext``, mmdet, which mmseg tries to import, would not
    find ``MultiScaleDeformableAttention`` there and raise another error than mmseg expects.
    """
    name = 'MultiScaleDeformableAttention'
    transformer = sys.modules.get('mmcv.cnn.bricks.transformer')
    if transformer is not None and not hasattr(transformer, name):
        from mmcv.ops import multi_scale_deform_attn

        setattr(transformer, name, getattr(multi_scale_deform_attn, name))


def allow_checkpoint_globals() -> None:
    """Let ``weights_only=True`` read the history and numpy scalars in mmengine's checkpoints.

    Those call ``getattr`` and ``numpy.dtype``. With the real ones, a file could reach ``os.system``
    through the globals of an allowed function, or forge pointers to objects; so restricted
    functions take their place.
    """
    import numpy as np
    import torch
    from mmengine.logging import HistoryBuffer
    from numpy._core import multiarray

    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            multiarray._reconstruct,
            multiarray.scalar,
            np.ndarray,
            slice,
            (history_method, 'builtins.getattr'),
            (number_dtype, 'numpy.dtype'),
            *{type(np.dtype(code)) for code in NUMBER_CODES},
        ]
    )


def history_method(owner: type, name: str) -> Callable:
    """The ``getattr`` of a checkpoint: a public method of mmengine's ``HistoryBuffer``."""
    from mmengine.logging import HistoryBuffer

    if owner is not HistoryBuffer or name.startswith('_'):
        raise UnpicklingError(f'getattr of {name!r} is not allowed in a checkpoint')
    return getattr(owner, name)


def number_dtype(code: str, *_: bool) -> object:
    """The ``numpy.dtype`` of a checkpoint: numpy's own of a number, whose state stays as it is."""
    import numpy as np

    if code not in NUMBER_CODES:
        raise UnpicklingError(f'numpy.dtype({code!r}) is not allowed in a checkpoint')
    return np.dtype(code)


def is_installed(package: str) -> bool:
    """Whether a distribution or an importable module has this name."""
    return is_distribution(package) or importlib.util.find_spec(_module_of(package)) is not None


def get_installed_path(package: str) -> str:
    """Folder of the module that ``package`` (a distribution or a module) installs.

    Raises:
        ModuleNotFoundError: If there is no such module.
    """
    spec = importlib.util.find_spec(_module_of(package))
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f'{package} is not installed')
    return next(iter(spec.submodule_search_locations))


def _module_of(package: str) -> str:
    """The import name of an OpenMMLab distribution (``mmsegmentation`` -> ``mmseg``)."""
    from mmengine.config.utils import MODULE2PACKAGE

    return {dist: module for module, dist in MODULE2PACKAGE.items()}.get(package, package)


def _refuse_install(package: str) -> None:
    if not is_installed(package):
        raise ModuleNotFoundError(f'{package} is not installed, please install it')


def replace_pkg_resources() -> None:
    """Let mmengine look up packages by importlib.

    It uses ``pkg_resources``, which setuptools 82 removed and which misplaces editable installs;
    and it runs pip itself, which would install stock mmseg over the fork.
    """

    names = ('mmengine.utils.package_utils', 'mmengine.utils', 'mmengine.config.config')
    for module in (
        sys.modules[name] for name in (*names, 'mmengine.hub.hub') if name in sys.modules
    ):
        for attribute, function in (
            ('is_installed', is_installed),
            ('get_installed_path', get_installed_path),
            ('install_package', _refuse_install),
        ):
            if hasattr(module, attribute):
                setattr(module, attribute, function)


def announce_package() -> None:
    """Make ``mmseg_eff::…`` bases known to mmengine."""
    from mmengine.config.utils import MODULE2PACKAGE

    MODULE2PACKAGE.setdefault('mmseg_eff', 'mmseg_eff')


def list_models(module: types.ModuleType) -> None:
    """Make our model names known to mmengine's inferencers."""
    import mmseg

    original = module.BaseInferencer._get_models_from_metafile
    if hasattr(original, '__wrapped__'):
        return

    @functools.wraps(original)
    def models_from_metafile(dir: str) -> Iterator[dict]:
        yield from original(dir)
        if Path(mmseg.__path__[0]) in Path(dir).parents:
            own = PACKAGE_ROOT / '.mim'
            for model in original(str(own)):
                yield {**model, 'Config': str(own / model['Config'])}

    module.BaseInferencer._get_models_from_metafile = staticmethod(models_from_metafile)


def draw_contiguous_images(module: types.ModuleType) -> None:
    """OpenCV 5 draws class names only into contiguous arrays; browse_dataset.py gives others."""
    import numpy as np

    original = module.SegLocalVisualizer._draw_sem_seg
    if hasattr(original, '__wrapped__'):
        return

    @functools.wraps(original)
    def draw(self, image: np.ndarray, *args, **kwargs) -> np.ndarray:
        return original(self, np.ascontiguousarray(image), *args, **kwargs)

    module.SegLocalVisualizer._draw_sem_seg = draw


def complete_data_lists(module: types.ModuleType) -> None:
    """Skip blank lines of an ``ann_file``, and tell samples ``ignore_index`` and ``num_classes``.

    mmseg takes a blank line for an image without a name; and it tells the transforms ``label_map``
    and ``reduce_zero_label``, but neither the ignored label nor the number of classes.
    """
    from mmengine.dataset import BaseDataset

    original = module.BaseSegDataset.filter_data
    if original is not BaseDataset.filter_data:
        return

    @functools.wraps(original)
    def filter_data(self) -> list[dict]:
        nameless = os.path.join(self.data_prefix.get('img_path') or '', self.img_suffix)
        classes = self.metainfo.get('classes')
        is_known = isinstance(classes, list | tuple)  # the name of a missing file is refused later
        rules = dict(ignore_index=self.ignore_index, num_classes=len(classes) if is_known else None)
        return [{**info, **rules} for info in original(self) if info.get('img_path') != nameless]

    module.BaseSegDataset.filter_data = filter_data


def let_inferencer_read_images(module: types.ModuleType) -> None:
    """Let ``MMSegInferencer`` use configs that load images and labels by transforms of ours.

    It looks for mmcv's ``LoadImageFromFile`` by name and fails without it. The loading transform of
    the pipeline takes its place, and reads files as it does in training; arrays are taken as they
    are. Loaders of labels are left out, whatever their name.
    """
    from mmengine.dataset import Compose

    original = module.MMSegInferencer._init_pipeline
    if hasattr(original, '__wrapped__'):
        return

    @functools.wraps(original)
    def init_pipeline(self, cfg) -> Compose:
        from .datasets.image_reader import class_name, compose, loads_annotations, split_pipeline
        from .datasets.wrappers import pipelines_of

        measured, *_ = pipelines_of(cfg.test_dataloader.dataset)
        pipeline = [step for step in measured if not loads_annotations(step)]
        if self._get_transform_idx(pipeline, 'LoadImageFromFile') != -1:
            cfg.test_dataloader.dataset.pipeline = pipeline
            return original(self, cfg)
        loading, steps = split_pipeline(pipeline)
        if any(class_name(step) == 'InferencerLoader' for step in loading):
            return original(self, cfg)
        return Compose([ArrayOrFile(compose(loading)), *compose(steps).transforms])

    module.MMSegInferencer._init_pipeline = init_pipeline


class ArrayOrFile:
    """Load an image file by a config's own transforms; take an array as it is.

    Args:
        load: The loading transforms.
    """

    def __init__(self, load: Callable[[dict], dict]) -> None:
        self.load = load

    def __call__(self, given: 'str | Path | np.ndarray | dict') -> dict:
        """Results with ``img`` of a path, an array, or a dict of one (``img_path``, ``img``)."""
        if isinstance(given, str | Path):
            given = dict(img_path=str(given))
        results: dict = given if isinstance(given, dict) else dict(img=given)
        if 'img' not in results:
            return self.load({'seg_fields': [], **results})
        size = results['img'].shape[:2]
        return {'img_path': None, 'img_shape': size, 'ori_shape': size, 'seg_fields': [], **results}


def repeat_random_bases(module: types.ModuleType) -> None:
    """Make the evaluation of mmseg's Hamburger head (SegNeXt) deterministic.

    It starts its matrix decomposition from new random bases in every pass, in evaluation, too: two
    predictions of one image agree on 82 to 94 % of the labels, and no export could agree with the
    network. Training does not change, nor do later random numbers.
    """
    import torch

    original = module.NMF2D._build_bases
    if hasattr(original, '__wrapped__'):
        return

    @functools.wraps(original)
    def build_bases(self, B: int, *args, **kwargs) -> torch.Tensor:
        if self.training:
            return original(self, B, *args, **kwargs)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return original(self, 1, *args, **kwargs).repeat(B, 1, 1)

    module.NMF2D._build_bases = build_bases


FIXES = {  # module -> what is mended in it when it is imported
    'mmengine.infer.infer': list_models,
    'mmseg.visualization.local_visualizer': draw_contiguous_images,
    'mmseg.datasets.basesegdataset': complete_data_lists,
    'mmseg.apis.mmseg_inferencer': let_inferencer_read_images,
    'mmseg.models.decode_heads.ham_head': repeat_random_bases,
}
