from .checked_iou_metric import CheckedIoUMetric
from .protocol_iou_metric import ProtocolIoUMetric
from .trimap_iou_metric import TrimapIoUMetric

__all__ = ['CheckedIoUMetric', 'ProtocolIoUMetric', 'TrimapIoUMetric']
