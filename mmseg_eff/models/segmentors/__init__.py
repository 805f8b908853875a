from .multi_scale import MultiScaleEncoderDecoder
from .predict_labels import predict_labels_only
from .tta import MeanProbabilityTTAModel

__all__ = ['MeanProbabilityTTAModel', 'MultiScaleEncoderDecoder', 'predict_labels_only']
