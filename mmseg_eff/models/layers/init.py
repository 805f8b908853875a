"""Weight initialisation that several papers share."""

# He initialisation of convolutions by fan-out; normalisation layers start as the identity anyway.
KAIMING_FAN_OUT = dict(
    type='Kaiming', layer='Conv2d', mode='fan_out', nonlinearity='relu', distribution='normal'
)
