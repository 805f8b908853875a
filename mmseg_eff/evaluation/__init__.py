from .protocol_iou_metric import ProtocolIoUMetric
from .trimap_iou_metric import TrimapIoUMetric

__all__ = ['ProtocolIoUMetric', 'TrimapIoUMetric']
