"""What happens to training images beside their crop: on the CPU image by image, on the accelerator in batches.

Keras's own layers draw from a state that they carry, so that a run which was stopped could not go on bit for bit; and
but for mixup they take longer, RandAugment 20 times (`benchmarks/augmentation.py`).
"""

from kres.training.augmentation.image import augment_image
from kres.training.augmentation.mixing import augment_batch, batch_numbers, check_mixing
from kres.training.augmentation.numbers import Numbers, Stream

__all__ = ["Numbers", "Stream", "augment_batch", "augment_image", "batch_numbers", "check_mixing"]
