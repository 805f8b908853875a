"""Protocols of datasets with a length and a list of files, which torch's ``Dataset`` lacks."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class SizedDataset(Protocol):
    """A dataset whose samples have numbers from 0 on, as those of mmengine and mmseg."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, index: int) -> Any:
        """A sample, after its pipeline."""


@runtime_checkable
class ListedDataset(SizedDataset, Protocol):
    """A dataset that names the files of a sample without reading them."""

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """``img_path``, ``seg_map_path`` and so on of a sample."""
