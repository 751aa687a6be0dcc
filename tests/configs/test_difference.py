"""Where settings differ is named as a person would set it."""

from configs import difference


def test_a_difference_of_settings_is_named_as_deep_as_it_lies() -> None:
    before = {"losses": {"kl": {"coef": 0.5, "view": "m"}, "ppo": 1}, "run": "a", "steps": 60}
    now = {"losses": {"kl": {"coef": 0.02, "view": "m"}, "ppo": 1}, "run": "b", "steps": 60}
    assert difference(before, now, {"run"}) == "losses.kl.coef=0.5, not 0.02"
    assert difference(before, {**before, "run": "c"}, {"run"}) == ""
    gone = {**before, "losses": {"ppo": 1}}
    assert difference(gone, before) == "losses.kl=None, not {'coef': 0.5, 'view': 'm'}"
