"""The version of the package; setup.py reads it here."""

__version__ = '1.0.0'
