"""Every network of kres: one row a network, one table a family, data only."""

from kres.specs import Spec
from kres.zoo import (
    antialiased,
    bit,
    cifar,
    cifar_orders,
    cifar_wide,
    ecaresnet,
    keras_applications,
    kerashub,
    legacy_senet,
    plain,
    resnet,
    resnetrs,
    resnetv2,
    resnext,
    senet,
)

FAMILIES: dict[str, dict[str, Spec]] = {
    "resnet": resnet.ROWS,
    "resnext": resnext.ROWS,
    "senet": senet.ROWS,
    "legacy_senet": legacy_senet.ROWS,
    "ecaresnet": ecaresnet.ROWS,
    "resnetrs": resnetrs.ROWS,
    "antialiased": antialiased.ROWS,
    "resnetv2": resnetv2.ROWS,
    "bit": bit.ROWS,
    "keras_applications": keras_applications.ROWS,
    "kerashub": kerashub.ROWS,
    "cifar": cifar.ROWS,
    "cifar_orders": cifar_orders.ROWS,
    "cifar_wide": cifar_wide.ROWS,
    "plain": plain.ROWS,
}

ROWS: dict[str, Spec] = {name: row for family in FAMILIES.values() for name, row in family.items()}
