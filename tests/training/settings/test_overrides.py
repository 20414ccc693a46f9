import pytest

from kres.training.recipes import recipe
from kres.training.settings.overrides import apply, differences

DIGITS = recipe("digits_resnet20")


def test_each_kind_of_value_is_set():
    changed = apply(
        DIGITS,
        [
            "schedule.learning_rate=0.2",
            "optimizer.kind=lars",
            "optimizer.nesterov=true",
            "optimizer.clip_norm=1",
            "network.zero_init_residual=none",
            "images.mean=0.5,0.25,1",
            "batch_size=32",
        ],
    )
    assert (changed.schedule.learning_rate, changed.optimizer.kind, changed.batch_size) == (0.2, "lars", 32)
    assert changed.optimizer.nesterov is True and changed.optimizer.clip_norm == 1.0
    assert changed.network.zero_init_residual is None
    assert changed.images.mean == (0.5, 0.25, 1.0)
    assert differences(DIGITS, changed) == (
        "network.zero_init_residual",
        "images.mean",
        "batch_size",
        "optimizer.kind",
        "optimizer.nesterov",
        "optimizer.clip_norm",
        "schedule.learning_rate",
    )


def test_no_change_is_the_recipe():
    assert apply(DIGITS, []) == DIGITS and differences(DIGITS, DIGITS) == ()


@pytest.mark.parametrize("turn", [1, -1])
def test_changes_are_made_together_in_any_order(turn):
    """Each alone is refused: steps need decays, and a cosine has none."""
    both = ["schedule.kind=step", "schedule.decay_at=3,6"][::turn]
    cosine = recipe("transfer")
    assert apply(cosine, both).schedule.decay_at == (3.0, 6.0)
    with pytest.raises(ValueError, match=r"kind='step' needs decay_at"):
        apply(cosine, ["schedule.kind=step"])
    with pytest.raises(ValueError, match=r"decay_at goes with kind='step'; without, it stays \(\)"):
        apply(cosine, ["schedule.decay_at=3,6"])


def test_what_a_change_of_kind_leaves_unread_goes_back_to_its_default(caplog):
    caplog.set_level("INFO")
    a3 = recipe("resnet50_a3")
    plain = apply(a3, ["loss.kind=softmax", "augmentation.policy=none", "optimizer.kind=sgd", "schedule.kind=constant"])
    assert plain.loss.target_threshold is None and plain.augmentation.policy_magnitude == 9.0
    assert {"loss.target_threshold", "augmentation.policy_probability", "schedule.decay_span"} <= set(
        differences(a3, plain)
    )
    assert "loss.target_threshold is read no more: back to None" in caplog.messages
    with pytest.raises(ValueError, match=r"target_threshold goes with kind='sigmoid'.*target_threshold=0\.3"):
        apply(a3, ["loss.kind=softmax", "loss.target_threshold=0.3"])


def test_a_teacher_is_made_changed_and_taken_away():
    taught = apply(DIGITS, ["loss.teacher.row=resnet152d", "loss.teacher.weights=gluon_in1k"])
    assert taught.loss.teacher is not None and taught.loss.teacher.weights == "gluon_in1k"
    smaller = apply(taught, ["loss.teacher.row=resnet50d"])
    assert smaller.loss.teacher is not None
    assert (smaller.loss.teacher.row, smaller.loss.teacher.weights) == ("resnet50d", "gluon_in1k")
    assert "loss.teacher.row" in differences(taught, smaller)
    assert apply(taught, ["loss.teacher=none"]) == DIGITS
    with pytest.raises(ValueError, match=r"loss\.teacher is not there yet.*'row'"):
        apply(DIGITS, ["loss.teacher.weights=imagenet"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("schedule.lerning_rate=0.2", r"closest: schedule\.learning_rate.*schedule\.warmup_kind"),
        ("momentum=0.5", r"closest: optimizer\.momentum"),
        ("lr=0.5", r"closest: schedule\.learning_rate"),
        ("wd=0.5", r"closest: optimizer\.weight_decay"),
        ("schedule.least_steps=9", r"least_steps goes with unit='epochs'.*least_steps=9"),
        ("optimiser.momentum=0.5", r"closest: optimizer"),
        ("optimizer.kind=adam", r"one of 'sgd', 'lars', 'lamb', 'adamw'.*Received: optimizer\.kind=adam"),
        ("batch_size=12.5", r"batch_size must be a whole number at least 1.*Received: batch_size=12\.5"),
        ("batch_size=-8", r"at least 1"),
        ("schedule.learning_rate=fast", r"a finite number above 0"),
        ("schedule.learning_rate=", r"a finite number above 0"),
        ("optimizer.nesterov=1", r"true or false"),
        ("augmentation.area=0.5", r"a list of 2"),
        ("network.row=resnet51", r"resnet50"),
        ("network.weights=nonsense", r"a published tag, a path or none \(random\)\..*Received: 'nonsense'"),
        ("network.weights=-", r"a path or none \(random\)"),
        ("network.weights=timm/a1_in1k", r"no published tag of cifar_resnet20"),
        ("network.depths=1,1", r"each of the 3 stages of cifar_resnet20.*Received: depths=\(1, 1\)"),
        ("batch_size.value=3", r"batch_size is a value"),
        ("optimizer=lamb", r"optimizer is a part; set its fields, optimizer\.kind"),
        ("batch_size", r"written part\.field=value.*Received: 'batch_size'"),
        ("=3", r"no field"),
    ],
)
def test_nonsense_is_refused_with_what_is_allowed(change, message):
    with pytest.raises(ValueError, match=message):
        apply(DIGITS, [change])


@pytest.mark.parametrize(
    "weights", ["/elsewhere/model.safetensors", "mine.weights.h5", "./folder", "~/folder", "hf://owner/name"]
)
def test_a_path_need_not_be_on_this_machine(weights):
    assert apply(DIGITS, [f"network.weights={weights}"]).network.weights == weights


@pytest.mark.parametrize("unset", ["none", "null"])
def test_weights_are_published_ones_or_none(unset):
    tagged = apply(recipe("transfer"), ["network.weights=timm/resnet50.a1_in1k"])
    assert apply(tagged, ["network.row=resnet18", "network.weights=imagenet"]).network.weights == "imagenet"
    assert apply(tagged, [f"network.weights={unset}"]).network.weights is None
    with pytest.raises(ValueError, match=r"is of another network than resnet18"):
        apply(tagged, ["network.row=resnet18"])
    with pytest.raises(ValueError, match=r"forbids commercial use"):
        apply(tagged, ["network.row=resnext101_32x8d", "network.weights=fb_wsl_ig1b_ft_in1k"])


@pytest.mark.parametrize(
    "twice",
    [
        ["batch_size=8", "batch_size=16"],
        ["loss.teacher=none", "loss.teacher.row=resnet18"],
        ["loss.teacher.row=resnet18", "loss.teacher=none"],
    ],
)
def test_a_field_is_set_once(twice):
    with pytest.raises(ValueError, match="set once"):
        apply(DIGITS, twice)


@pytest.mark.parametrize("length", ["x", None, 0, -1, float("nan")])
def test_a_length_is_a_number_above_0(length):
    with pytest.raises(ValueError, match=r"must be a number above 0\. Received: steps="):
        recipe("digits_resnet20").with_length(length)
