from .checked_iou_metric import CheckedIoUMetric
from .confusion_matrix import ConfusionMatrix
from .protocol_iou_metric import ProtocolIoUMetric
from .trimap_iou_metric import TrimapIoUMetric

__all__ = ['CheckedIoUMetric', 'ConfusionMatrix', 'ProtocolIoUMetric', 'TrimapIoUMetric']
