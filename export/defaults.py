"""What an export does where nothing else is asked for; without Keras, so that a command's help can tell it."""

CALIBRATION_IMAGES = 256
"""Images that ranges are taken from."""
PERCENTILE = 99.99
"""One of those that Wu et al. 2020, arXiv 2004.09602, compare, 99.9 to 99.9999."""
