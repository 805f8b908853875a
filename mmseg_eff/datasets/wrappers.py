"""Find the datasets inside wrappers such as ``ConcatDataset``, in a config."""

from collections.abc import Iterator

from mmengine.config import ConfigDict


def leaf_configs(config: ConfigDict) -> Iterator[ConfigDict]:
    """The config of a dataset, or those inside a wrapper."""
    inner = config.get('datasets') or ([config.dataset] if 'dataset' in config else [])
    for item in inner:
        yield from leaf_configs(item)
    if not inner:
        yield config


def pipelines_of(config: ConfigDict) -> list[list[dict]]:
    """The pipeline of each of ``leaf_configs``: its own, else that of the outermost wrapper."""
    outermost = config.get('pipeline') or []
    return [list(leaf.get('pipeline') or outermost) for leaf in leaf_configs(config)]
