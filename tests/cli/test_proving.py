"""What artifacts of the command line are proven on."""

import pytest

import kres
from kres.cli.models import Named
from kres.cli.proving import proof


def test_calibration_images_are_seeded_and_never_held_out_ones():
    spec = kres.Spec(block="basic", depths=(1,), widths=(4,), stem="cifar")
    preprocess = kres.Preprocess(size=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    model = kres.build(spec, classes=10, input_shape=(32, 32, 3), preprocess=preprocess)
    named = Named(model=model, name="small")
    found = [proof(named, "digits", limit=599, calibration_images=40, calibration_seed=seed) for seed in (0, 0, 1)]
    drawn = [{image.tobytes() for image in each.calibration} for each in found]
    assert len(drawn[0]) == 40 and drawn[0] == drawn[1] != drawn[2]
    assert not drawn[0] & {image.tobytes() for image in found[0].reference.images}


def test_data_in_colour_for_a_grey_model(tmp_path):
    spec = kres.Spec(block="basic", depths=(1,), widths=(8,), stem="cifar")
    model = kres.build(spec, input_shape=(8, 8, 1), classes=10)
    with pytest.raises(ValueError, match=r"of digits have 3 channels.*and the model takes 1"):
        proof(Named(model=model, name="grey"), "digits", limit=32)
