"""Distances of colours as four kinds of eyes see them, written from the publications.

Machado, Oliveira and Fernandes 2009 (matrices of severity 1, in linear RGB); CIEDE2000 as in
Sharma, Wu and Dalal 2005; sRGB as in IEC 61966-2-1.
"""

import numpy as np

EYES = {
    'normal': np.eye(3),
    'protanopia': [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    'deuteranopia': [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    'tritanopia': [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
       [0.0193339, 0.1191920, 0.9503041]]  # fmt: skip
WHITE = (0.95047, 1, 1.08883)  # D65


def lab_of(rgb, eyes='normal'):
    """CIELAB (N, 3) of sRGB colours (N, 3) of 0 to 255."""
    values = np.asarray(rgb, float) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(EYES[eyes]), 0, 1)
    ratio = seen @ np.transpose(XYZ) / WHITE
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def ciede2000(one, other):
    """Distances of CIELAB colours (…, 3)."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25.0**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    dh = (h2 - h1 + 180) % 360 - 180
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(dh) / 2)
    total = h1 + h2
    far = np.abs(h1 - h2) > 180
    hue = np.where(far, np.where(total < 360, total + 360, total - 360), total) / 2
    hue = np.where(c1 * c2 == 0, total, hue)
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    dl = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    dc = (c2 - c1) / (1 + 0.045 * chroma)
    dh = dh / (1 + 0.015 * chroma * t)
    turn = 60 * np.exp(-(((hue - 275) / 25) ** 2))
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(np.radians(turn))
    return np.sqrt(dl**2 + dc**2 + dh**2 + rotation * dc * dh)


def smallest_distance(rgb, eyes):
    """Smallest CIEDE2000 distance of two of the colours (N, 3)."""
    lab = lab_of(rgb, eyes)
    distances = ciede2000(lab[:, None], lab[None])
    return distances[np.triu_indices(len(lab), 1)].min()
