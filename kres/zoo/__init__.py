"""Every network of kres: one row a network, one table a family, data only."""

from kres.specs import Spec
from kres.zoo import cifar, keras_applications, plain, resnet, resnetv2, resnext

FAMILIES: dict[str, dict[str, Spec]] = {
    "resnet": resnet.ROWS,
    "resnext": resnext.ROWS,
    "resnetv2": resnetv2.ROWS,
    "keras_applications": keras_applications.ROWS,
    "cifar": cifar.ROWS,
    "plain": plain.ROWS,
}

ROWS: dict[str, Spec] = {name: row for family in FAMILIES.values() for name, row in family.items()}
