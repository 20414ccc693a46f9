"""The networks under their own names, with keras.applications' signature: one line each."""

import inspect
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from kres.lookup import spec
from kres.model import build

P = ParamSpec("P")
Model = TypeVar("Model")


def _named(builder: Callable[Concatenate[str, P], Model], network: str, name: str) -> Callable[P, Model]:
    """`builder` with its first argument given, as a documented function called `name`."""

    def construct(*args: P.args, **kwargs: P.kwargs) -> Model:
        return builder(network, *args, **kwargs)

    row = spec(network)
    signature = inspect.signature(builder)
    construct.__name__ = construct.__qualname__ = name
    construct.__doc__ = (
        f"`{network}`: {row.block} blocks {row.depths}, {row.classes} classes, {row.input_size} px.\n\n"
        f"Arguments, result and errors are those of `kres.build`, which `{name}()` calls with {network!r}."
    )
    vars(construct)["__signature__"] = signature.replace(parameters=list(signature.parameters.values())[1:])
    return construct


ResNet18 = _named(build, "resnet18", "ResNet18")
ResNet34 = _named(build, "resnet34", "ResNet34")
ResNet50 = _named(build, "resnet50", "ResNet50")
ResNet101 = _named(build, "resnet101", "ResNet101")
ResNet152 = _named(build, "resnet152", "ResNet152")

ResNeXt50 = _named(build, "resnext50_32x4d", "ResNeXt50")
ResNeXt101 = _named(build, "resnext101_32x8d", "ResNeXt101")
ResNeXt101_64x4d = _named(build, "resnext101_64x4d", "ResNeXt101_64x4d")

ResNet50V2 = _named(build, "resnetv2_50", "ResNet50V2")
ResNet101V2 = _named(build, "resnetv2_101", "ResNet101V2")
ResNet152V2 = _named(build, "resnetv2_152", "ResNet152V2")

KerasResNet50 = _named(build, "keras_resnet50", "KerasResNet50")
KerasResNet101 = _named(build, "keras_resnet101", "KerasResNet101")
KerasResNet152 = _named(build, "keras_resnet152", "KerasResNet152")
KerasResNet50V2 = _named(build, "keras_resnet50v2", "KerasResNet50V2")
KerasResNet101V2 = _named(build, "keras_resnet101v2", "KerasResNet101V2")
KerasResNet152V2 = _named(build, "keras_resnet152v2", "KerasResNet152V2")

CifarResNet20 = _named(build, "cifar_resnet20", "CifarResNet20")
CifarResNet32 = _named(build, "cifar_resnet32", "CifarResNet32")
CifarResNet44 = _named(build, "cifar_resnet44", "CifarResNet44")
CifarResNet56 = _named(build, "cifar_resnet56", "CifarResNet56")
CifarResNet110 = _named(build, "cifar_resnet110", "CifarResNet110")
CifarResNet1202 = _named(build, "cifar_resnet1202", "CifarResNet1202")

CifarResNet20B = _named(build, "cifar_resnet20_b", "CifarResNet20B")
CifarResNet32B = _named(build, "cifar_resnet32_b", "CifarResNet32B")
CifarResNet44B = _named(build, "cifar_resnet44_b", "CifarResNet44B")
CifarResNet56B = _named(build, "cifar_resnet56_b", "CifarResNet56B")
CifarResNet110B = _named(build, "cifar_resnet110_b", "CifarResNet110B")
CifarResNet1202B = _named(build, "cifar_resnet1202_b", "CifarResNet1202B")

CifarResNet20C = _named(build, "cifar_resnet20_c", "CifarResNet20C")
CifarResNet32C = _named(build, "cifar_resnet32_c", "CifarResNet32C")
CifarResNet44C = _named(build, "cifar_resnet44_c", "CifarResNet44C")
CifarResNet56C = _named(build, "cifar_resnet56_c", "CifarResNet56C")
CifarResNet110C = _named(build, "cifar_resnet110_c", "CifarResNet110C")
CifarResNet1202C = _named(build, "cifar_resnet1202_c", "CifarResNet1202C")

CifarResNet110V2 = _named(build, "cifar_resnetv2_110", "CifarResNet110V2")
CifarResNet164V2 = _named(build, "cifar_resnetv2_164", "CifarResNet164V2")
CifarResNet1001V2 = _named(build, "cifar_resnetv2_1001", "CifarResNet1001V2")

PlainNet20 = _named(build, "plainnet20", "PlainNet20")
PlainNet32 = _named(build, "plainnet32", "PlainNet32")
PlainNet44 = _named(build, "plainnet44", "PlainNet44")
PlainNet56 = _named(build, "plainnet56", "PlainNet56")
PlainNet110 = _named(build, "plainnet110", "PlainNet110")
PlainNet18 = _named(build, "plainnet18", "PlainNet18")
PlainNet34 = _named(build, "plainnet34", "PlainNet34")
