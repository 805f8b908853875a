"""Compare the preprocessing that a checkpoint records with that of a config."""

from collections.abc import Mapping

import numpy as np
from mmengine.config import ConfigDict


def preprocessing_differences(meta: Mapping, config: ConfigDict) -> list[str]:
    """Where a model's config differs from what the weights of a checkpoint were trained with.

    Args:
        meta: ``meta`` of a checkpoint; converted ones record ``preprocessing`` and ``model``.
        config: Config of the model, with ``data_preprocessor`` and ``backbone``.
    """
    record = {**meta.get('preprocessing', {}), **meta.get('model', {})}
    backbone, processor = (config.get(part) or {} for part in ('backbone', 'data_preprocessor'))
    norm_cfg = backbone.get('norm_cfg')
    used = dict(
        mean=processor.get('mean'),
        std=processor.get('std'),
        padding=backbone.get('padding', 'same'),
        bn_eps=norm_cfg and norm_cfg.get('eps', 1e-5),
    )
    return [
        f'was trained with {name} {record[name]}, the config has {value}'
        for name, value in used.items()
        if name in record and value is not None and not np.array_equal(record[name], value)
    ]
