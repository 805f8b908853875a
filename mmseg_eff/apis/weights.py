"""Checkpoints to use and to give away: convert the authors' weights, and publish own ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..checkpoint.publish import publish
from ..config.load import as_config
from ..converters.convert import convert
from ..hub import resolve
from ..inference.segmentor import load_segmentor

__all__ = ['ConvertedWeights', 'PublishedWeights', 'convert_weights', 'publish_weights']


@dataclass(frozen=True)
class ConvertedWeights:
    """Result of ``convert_weights``.

    Attributes:
        path: The checkpoint written.
        meta: Its ``meta``: ``model`` (what the config's network must be), ``source`` (file, hash
            and converter) and, as far as known, ``preprocessing`` and ``dataset_meta``.
    """

    path: Path
    meta: dict[str, Any]

    @property
    def model(self) -> Mapping[str, Any]:
        """Arguments of the network that the weights are for."""
        return self.meta.get('model', {})

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """Arguments of the ``data_preprocessor``; empty if the file does not tell them."""
        return self.meta.get('preprocessing', {})

    @property
    def zeroed_denormals(self) -> int:
        """Number of denormal values that were set to zero, which are slow on a CPU."""
        return self.meta['zeroed_denormals']


def convert_weights(
    network: str,
    source: str | Path,
    target: str | Path,
    *,
    padding: str | None = None,
    key: str | None = None,
) -> ConvertedWeights:
    """Convert the weights of a paper's authors into a checkpoint for our configs.

        converted = convert_weights('espnet', 'espnet_p_2_q_8.pth', 'espnet-p2q8.safetensors')
        print(converted.model, converted.preprocessing)

    Args:
        network: Whose weights they are: ``'efficientnet'``, ``'espnet'``, ``'espnetv2'``,
            ``'mobilenetv2'`` or ``'xception'``.
        source: File of the authors; it is read without running code from it.
        target: Checkpoint to write; its suffix chooses ``.pth`` or ``.safetensors``.
        padding: ``'same'`` or ``'symmetric'``: how an EfficientNet of timm's pads, which its file
            does not say.
        key: Where the weights are in the file, such as ``'state_dict_ema'``; usual keys are found.

    Returns:
        What is known of the network. A hint that the file also holds averaged weights is printed
        to stderr.

    Raises:
        InputError: If ``source`` is damaged or another network's, or an argument is wrong; nothing
            is written then.
        OutputError: If ``target`` cannot be written.
    """
    meta = convert(network, source, target, padding=padding, key=key)
    return ConvertedWeights(Path(target), meta)


@dataclass(frozen=True)
class PublishedWeights:
    """Result of ``publish_weights``.

    Attributes:
        path: The checkpoint written.
        size: Its bytes.
        sha256: Its SHA-256 in hexadecimal.
        meta: Its ``meta``: ``source`` (file and hash), ``preprocessing`` and ``dataset_meta``.
    """

    path: Path
    size: int
    sha256: str
    meta: dict[str, Any]


def publish_weights(
    config: str | Path | Config,
    checkpoint: str | Path,
    target: str | Path,
    *,
    half: bool = False,
) -> PublishedWeights:
    """Write the weights of a trained network alone, without what only training needs.

        published = publish_weights('my_config.py', 'work_dirs/my_config/iter_8000.pth',
                                    'my_network.safetensors', half=True)
        print(published.size, published.sha256)

    The optimizer, the history and the texts of the training are left out; the classes, their
    colours and the preprocessing are kept, so that the file is understood without its config's
    dataset.

    Args:
        config: Config of the network, see ``load_model``.
        checkpoint: Its checkpoint; the averaged weights of ``EMAHook`` are those in ``state_dict``.
        target: File to write; its suffix chooses ``.pth`` or ``.safetensors``.
        half: Store numbers in half precision, which halves the file; they are computed with in
            full precision. Measure the written file: rounding may change a label.

    Returns:
        Size and hash of the file.

    Raises:
        InputError: If the checkpoint is damaged or does not fit the config.
        OutputError: If ``target`` cannot be written; an older file stays as it is.
    """
    source = resolve(str(checkpoint))
    model = load_segmentor(as_config(config), source, 'cpu')
    return PublishedWeights(Path(target), *publish(model, source, target, half))
