"""Add coarser levels before any neck, as in ESeg's FPN rows (Meng et al., 2022, Table 4)."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from ..layers import pooled_levels


@MODELS.register_module()
class PooledLevels(BaseModule):
    """Append levels by 3x3 average pooling of stride 2, then run a neck on all of them.

    ``BiFPN`` does so by itself; mmseg's ``FPN`` would pool its outputs instead of its inputs.

    Args:
        neck: Config of the neck, built for ``num_outs`` maps; the new ones have the channels of the
            backbone's last.
        num_outs: Number of maps that the neck gets.
        init_cfg: Initialisation config of mmengine.
    """

    def __init__(
        self, neck: dict, num_outs: int, *, init_cfg: dict | list[dict] | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.neck = MODELS.build(neck)
        self.num_outs = num_outs

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What the neck makes of the maps ``(N, C_i, H_i, W_i)``, finest first.

        Raises:
            ValueError: If there are more maps than ``num_outs``.
        """
        if len(inputs) > self.num_outs:
            raise ValueError(
                f'PooledLevels was built for num_outs={self.num_outs} and got {len(inputs)} maps'
            )
        return self.neck(pooled_levels(inputs, self.num_outs))
