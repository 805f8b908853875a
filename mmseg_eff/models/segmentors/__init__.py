from .multi_scale import MultiScaleEncoderDecoder
from .predict_labels import predict_labels_only

__all__ = ['MultiScaleEncoderDecoder', 'predict_labels_only']
