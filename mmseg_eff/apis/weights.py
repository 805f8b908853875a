"""Convert the weights of a paper's authors into checkpoints for our configs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..converters.convert import convert

__all__ = ['ConvertedWeights', 'convert_weights']


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
