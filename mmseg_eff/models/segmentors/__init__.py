from .multi_scale import MultiScaleEncoderDecoder

__all__ = ['MultiScaleEncoderDecoder']
