"""Bag of tricks with a ResNet-152-D to learn from."""

from dataclasses import replace

from kres.training.recipes.resnet50d_bag_of_tricks import RECIPE as PLAIN
from kres.training.settings import Network

RECIPE = replace(
    PLAIN,
    name="resnet50d_bag_of_tricks_distilled",
    about=replace(
        PLAIN.about,
        expected="78.67 % top-1 at 224 (table 6)",
        departures=PLAIN.about.departures + " The two parts of the loss have half the weight each, as in the code; "
        "section 5.3 adds them up. The teacher's weights are those that GluonCV published.",
    ),
    loss=replace(
        PLAIN.loss, teacher=Network(row="resnet152d", weights="gluon_in1k"), teacher_share=0.5, temperature=20.0
    ),
)
