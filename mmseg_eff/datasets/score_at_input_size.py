"""Evaluation at the network's input size instead of the image's own."""

import mmcv
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ScoreAtInputSize(BaseTransform):
    """Resize the labels to the image as it is now and have mmseg score there.

    For a test pipeline, behind ``Resize`` and the loading of labels. The ESPNetv2 authors validate
    so while training (EdgeNets). Without labels it does nothing: inference keeps the image's size.
    """

    def transform(self, results: dict) -> dict:
        """Set ``gt_seg_map`` (H, W), uint8, and ``ori_shape`` to the size of ``img`` (H, W, C)."""
        if 'gt_seg_map' in results:
            height, width = results['img'].shape[:2]
            # Pillow as in EdgeNets: OpenCV's nearest neighbour is up to half a pixel beside it
            results['gt_seg_map'] = mmcv.imresize(
                results['gt_seg_map'], (width, height), interpolation='nearest', backend='pillow'
            )
            results['ori_shape'] = (height, width)
        return results
