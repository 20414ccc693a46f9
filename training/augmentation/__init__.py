"""What happens to training images beside their crop: on the CPU image by image, on the accelerator in batches."""

from kres.training.augmentation.image import augment_image
from kres.training.augmentation.mixing import augment_batch, batch_numbers, check_mixing
from kres.training.augmentation.numbers import Numbers, Stream

__all__ = ["Numbers", "Stream", "augment_batch", "augment_image", "batch_numbers", "check_mixing"]
