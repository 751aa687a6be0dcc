"""Composition of settings: order of the layers, files based on files, and the sentence of every mistake."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from common import UserError
from configs import compose, count_settings, describe, load_resolved, save_resolved, setting, to_dict
from configs.groups import read_yaml


@dataclass
class Piece:
    coef: float = setting(0.1, "weight of the term")
    gradient: Literal["clean", "both"] = setting("clean", "branch that learns")
    label: str = setting("", "free text")


@dataclass
class Losses:
    ppo: Piece = setting(factory=Piece, help="the surrogate")
    perception_kl: Piece | None = setting(None, "divergence from the masked view")


@dataclass
class Model:
    name: str = setting("tiny", "file in models/")
    path: str | None = setting(None, "folder of weights")
    layers: int = setting(2, "depth")


@dataclass
class Schema:
    scale: str = setting("mini", "size of everything")
    model: Model = setting(factory=Model, help="the policy")
    method: str = setting("grpo", "what is learned")
    judge: str | None = setting(None, "no folder, so plain text")
    seed: int = setting(1, "seed of every draw")
    learning_rate: float = setting(1e-3, "step size")
    sizes: list[int] = setting([1, 2], "some numbers")
    rewards: dict[str, float] = setting({"accuracy": 1.0}, "weight per reward")
    views: dict[str, Piece] = setting(factory=dict, help="image views")
    losses: Losses = setting(factory=Losses, help="terms of the objective")
    dry_run: bool = setting(False, "print and stop")
    config_version: int = setting(1, "version of these settings")


FILES = {
    "scales/mini.yaml": "learning_rate: 1e-4\nseed: 2\n",
    "scales/3b.yaml": "learning_rate: 1e-6\nmodel: big\n",
    "models/tiny.yaml": "layers: 3\nat: {3b: {layers: 4}}\n",
    "models/big.yaml": "layers: 36\n",
    "methods/grpo.yaml": "losses: {ppo: {coef: 1.0}}\n",
    "methods/papo.yaml": (
        "based_on: grpo\nseed: 3\nviews: {masked: {coef: 0.6}}\n"
        "losses: {perception_kl: {coef: 0.02}}\n"
        "at: {mini: {losses: {perception_kl: {coef: 0.002}}, learning_rate: 5e-4}}\n"
    ),
    "methods/plain.yaml": "based_on: papo\nlosses: {perception_kl: null}\nviews: {masked: null}\n",
    "methods/strong.yaml": "based_on: papo\nlosses: {perception_kl: {coef: 0.04}}\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "configs"
    for name, content in FILES.items():
        write(folder, name, content)
    return folder


def write(root: Path, name: str, content: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)


def sentence(root: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        compose(Schema, overrides, root=root)
    return str(caught.value)


def test_defaults_then_scale_then_model(root: Path) -> None:
    settings = compose(Schema, [], root=root)
    assert (settings.scale, settings.model.name, settings.method) == ("mini", "tiny", "grpo")
    assert (settings.learning_rate, settings.seed, settings.model.layers) == (1e-4, 2, 3)
    assert settings.losses == Losses(ppo=Piece(coef=1.0), perception_kl=None)


def test_method_beats_scale_and_its_at_block_beats_the_method(root: Path) -> None:
    settings = compose(Schema, ["method=papo"], root=root)
    assert settings.seed == 3
    assert settings.losses.ppo.coef == 1.0
    assert settings.losses.perception_kl == Piece(coef=0.002)
    assert settings.learning_rate == 5e-4
    assert compose(Schema, ["method=papo", "scale=3b"], root=root).losses.perception_kl == Piece(coef=0.02)


def test_a_file_beats_the_at_block_of_its_base(root: Path) -> None:
    settings = compose(Schema, ["method=strong"], root=root)
    assert settings.losses.perception_kl == Piece(coef=0.04)
    assert settings.learning_rate == 5e-4
    write(root, "methods/strong.yaml", "based_on: papo\nat: {mini: {seed: 8}}\n")
    settings = compose(Schema, ["method=strong"], root=root)
    assert (settings.seed, settings.losses.perception_kl) == (8, Piece(coef=0.002))


def test_a_scale_takes_the_blocks_of_the_scale_that_it_is_based_on(root: Path) -> None:
    write(root, "scales/hard.yaml", "based_on: mini\nseed: 9\n")
    settings = compose(Schema, ["method=papo", "scale=hard"], root=root)
    assert (settings.learning_rate, settings.losses.perception_kl) == (5e-4, Piece(coef=0.002))
    write(root, "methods/more.yaml", "based_on: papo\nat: {hard: {learning_rate: 6e-4}, mini: {seed: 8}}\n")
    settings = compose(Schema, ["method=more", "scale=hard"], root=root)
    assert (settings.learning_rate, settings.seed) == (6e-4, 8)
    assert compose(Schema, ["method=more"], root=root).learning_rate == 5e-4


def test_command_line_beats_everything_in_any_order(root: Path) -> None:
    settings = compose(Schema, ["learning_rate=7e-4", "losses.perception_kl.coef=3", "method=papo"], root=root)
    assert settings.learning_rate == 7e-4
    assert settings.losses.perception_kl == Piece(coef=3.0)


def test_at_block_of_a_dataclass_group_and_a_model_chosen_by_the_scale(root: Path) -> None:
    assert compose(Schema, ["scale=3b"], root=root).model == Model("big", None, 36)
    assert compose(Schema, ["scale=3b", "model=tiny"], root=root).model == Model("tiny", None, 4)
    assert compose(Schema, ["model.name=big"], root=root).model == Model("big", None, 36)


def test_a_field_may_take_its_files_from_another_folder(tmp_path: Path) -> None:
    @dataclass
    class Pair:
        model: Model = setting(factory=Model, help="the policy")
        teacher: Model | None = setting(None, "a second model", group="models")

    root = tmp_path / "configs"
    for name in ("models/tiny.yaml", "models/big.yaml"):
        write(root, name, "layers: 36\n")
    assert compose(Pair, [], root=root).teacher is None
    assert compose(Pair, ["teacher=big"], root=root).teacher == Model("big", None, 36)
    assert compose(Pair, ["teacher.name=big", "teacher.layers=5"], root=root).teacher == Model("big", None, 5)


def test_commands_own_defaults_rank_below_files(root: Path) -> None:
    settings = compose(Schema, [], root=root, defaults={"method": "papo", "seed": "9", "judge": "human"})
    assert (settings.method, settings.seed, settings.judge) == ("papo", 3, "human")
    assert compose(Schema, ["method=grpo"], root=root, defaults={"method": "papo"}).method == "grpo"


def test_null_takes_an_inherited_piece_or_entry_away(root: Path) -> None:
    settings = compose(Schema, ["method=plain", "rewards.accuracy=null", "rewards.format=1"], root=root)
    assert settings.losses.perception_kl is None
    assert settings.views == {}
    assert settings.rewards == {"format": 1.0}
    back = compose(Schema, ["method=plain", "losses.perception_kl.label=x"], root=root)
    assert back.losses.perception_kl == Piece(label="x")


def test_an_optional_piece_starts_from_the_defaults_of_its_own_declaration(tmp_path: Path) -> None:
    @dataclass
    class Outer:
        inner: Piece = setting(factory=lambda: Piece(coef=0.5, label="own"))
        numbers: dict[str, float] = setting({"a": 1.0})

    @dataclass
    class Top:
        outer: Outer | None = setting(None)
        given: Outer = setting(factory=lambda: Outer(numbers={"b": 2.0}))
        free: dict[str, Any] = setting(factory=dict)

    globals().update(Outer=Outer, Top=Top)
    settings = compose(Top, ["outer.inner.coef=2", "free.x=null"], root=tmp_path)
    assert settings.outer == Outer(Piece(coef=2.0, label="own"))
    assert settings.given == Outer(numbers={"b": 2.0})
    assert settings.free == {"x": None}


def test_values_are_yaml_except_for_text(root: Path) -> None:
    overrides = ["sizes=[3, 4]", "judge=1234e56", "views.blur={coef: 2, label: '007'}", "losses.ppo.label=a: b"]
    settings = compose(Schema, overrides, root=root)
    assert settings.sizes == [3, 4]
    assert settings.judge == "1234e56"
    assert settings.views == {"blur": Piece(coef=2.0, label="007")}
    assert settings.losses.ppo.label == "a: b"
    assert compose(Schema, ["judge=null"], root=root).judge is None


def test_a_folder_with_a_model_is_a_choice(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "step_40"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert compose(Schema, [f"model={folder}"], root=root).model == Model("step_40", str(folder), 2)


def test_a_field_marked_as_no_group_stays_text(root: Path) -> None:
    @dataclass
    class Passes:
        scale: str = setting("mini", "handed to another command", group=False)

    globals()["Passes"] = Passes
    assert compose(Passes, ["scale=anything"], root=root).scale == "anything"


def test_two_compositions_share_no_mutable_default(root: Path) -> None:
    compose(Schema, [], root=root).sizes.append(9)
    Schema().rewards["x"] = 1.0
    assert compose(Schema, [], root=root).sizes == [1, 2]
    assert Schema().rewards == {"accuracy": 1.0}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sead=1", "unknown setting 'sead' on the command line; did you mean 'seed'?"),
        ("coefficient=1", "unknown setting 'coefficient' on the command line; --help lists every setting"),
        (
            "losses.ppo.coeff=1",
            "unknown setting 'losses.ppo.coeff' on the command line; did you mean 'losses.ppo.coef'?",
        ),
        ("views.a.lable=x", "unknown setting 'views.a.lable' on the command line; did you mean 'views.a.label'?"),
        ("gradient=both", "unknown setting 'gradient' on the command line; did you mean 'losses.ppo.gradient'?"),
        ("seed.x=1", "'seed' must be int, not {\"x\": 1} (on the command line)"),
        ("seed=abc", "'seed' must be int, not \"abc\" (on the command line)"),
        ("seed=true", "'seed' must be int, not true (on the command line)"),
        ("seed=null", "'seed' must be int, not null (on the command line)"),
        ("learning_rate=nan", "'learning_rate' must be float, not \"nan\" (on the command line)"),
        ("seed='3'", "'seed' must be int, not \"3\" (on the command line)"),
        ("sizes=[1, x]", "'sizes[1]' must be int, not \"x\" (on the command line)"),
        ("sizes=3", "'sizes' must be list[int], not 3 (on the command line)"),
        ("rewards=3", "'rewards' must be dict[str, float], not 3 (on the command line)"),
        ("losses=3", "'losses' must be a group of settings (ppo, perception_kl), not 3 (on the command line)"),
        ("losses.ppo.gradient=none", "'losses.ppo.gradient' must be clean | both, not \"none\" (on the command line)"),
        ("sizes=[1", "cannot read sizes=[1 on the command line; the value is not valid YAML"),
        ("seed", "cannot read 'seed' on the command line; write settings as key=value, for example seed=1"),
        ("papo", "cannot read 'papo' on the command line; is method=papo meant?"),
        ("--seed=1", "cannot read '--seed=1' on the command line; write settings as key=value, for example seed=1"),
        ("method=papi", "unknown method 'papi' on the command line; did you mean papo, plain?"),
        ("method=zzz", "unknown method 'zzz' on the command line; available: grpo, papo, plain, strong"),
        ("model=runs/none", "unknown model 'runs/none' on the command line; available: big, tiny"),
    ],
)
def test_mistakes_on_the_command_line(root: Path, override: str, message: str) -> None:
    assert sentence(root, override) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "losses: {percepton_kl: {coef: 1}}",
            "unknown setting 'losses.percepton_kl' in configs/methods/x.yaml; did you mean 'losses.perception_kl'?",
        ),
        (
            "losses.ppo.coef: 1",
            "unknown setting 'losses.ppo.coef' in configs/methods/x.yaml; "
            "in a file, nest the keys instead of using dots",
        ),
        (
            "at: {3b: {lerning_rate: 1}}",
            "unknown setting 'lerning_rate' in configs/methods/x.yaml (at 3b); did you mean 'learning_rate'?",
        ),
        ("at: {minni: {seed: 1}}", "unknown scale 'minni' in configs/methods/x.yaml (at); did you mean mini?"),
        ("at: 3", "'at' in configs/methods/x.yaml must map names of scales to settings"),
        (
            "at: {mini: {model: {name: big}}}",
            "'at' comes too late to choose the model in configs/methods/x.yaml (at mini)",
        ),
        ("judge: 7", "'judge' must be str | null, not 7 (in configs/methods/x.yaml); put it in quotes"),
        ("- 1", "configs/methods/x.yaml must hold 'key: value' settings"),
        (
            "seed: 1\n  sizes: 2",
            "configs/methods/x.yaml, line 2 is not valid YAML: mapping values are not allowed in this context",
        ),
        (
            "based_on: y",
            "unknown method 'y' in configs/methods/x.yaml (based_on); available: grpo, papo, plain, strong, x",
        ),
        ("based_on: x", "configs/methods/x.yaml is based on itself: x -> x"),
        (
            "scale: 3b",
            "method=x asks for scale=3b, but scale=mini was read before it; give scale=3b on the command line",
        ),
    ],
)
def test_mistakes_in_a_file(root: Path, content: str, message: str) -> None:
    write(root, "methods/x.yaml", content)
    assert sentence(root, "method=x") == message


def test_a_mistake_in_a_base_file_names_that_file(root: Path) -> None:
    write(root, "methods/base.yaml", "based_on: child\n")
    write(root, "methods/child.yaml", "based_on: base\n")
    assert sentence(root, "method=child") == "configs/methods/base.yaml is based on itself: child -> base -> child"
    write(root, "methods/base.yaml", "sead: 1\n")
    assert sentence(root, "method=child").startswith("unknown setting 'sead' in configs/methods/base.yaml")


def test_a_required_setting_is_named_with_its_help(tmp_path: Path) -> None:
    @dataclass
    class Needs:
        seed: int = setting(1, "seed")
        image: str = setting(help="picture to read")

    globals()["Needs"] = Needs
    assert compose(Needs, ["image=a.png"], root=tmp_path).image == "a.png"
    with pytest.raises(UserError, match=r"^'image' \(picture to read\) is required; add image=\.\.\."):
        compose(Needs, [], root=tmp_path)


def test_resolved_settings_survive_a_round_trip(root: Path, tmp_path: Path) -> None:
    settings = compose(Schema, ["method=papo", "judge=1e-4", "losses.ppo.label=null", "learning_rate=1e-5"], root=root)
    path = tmp_path / "run" / "config.yaml"
    save_resolved(settings, path)
    assert load_resolved(Schema, path) == settings
    assert to_dict(settings)["losses"]["perception_kl"] == {"coef": 0.002, "gradient": "clean", "label": ""}


def test_resolved_settings_keep_removed_entries_away(root: Path, tmp_path: Path) -> None:
    settings = compose(Schema, ["rewards.accuracy=null", "rewards.format=1"], root=root)
    path = tmp_path / "config.yaml"
    save_resolved(settings, path)
    assert load_resolved(Schema, path).rewards == {"format": 1.0}


def test_resolved_settings_of_another_version_are_refused(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    save_resolved(compose(Schema, [], root=root), path)
    path.write_text(path.read_text().replace("config_version: 1", "config_version: 0"))
    with pytest.raises(UserError) as caught:
        load_resolved(Schema, path)
    assert str(caught.value) == (
        f"{path} was written by config version 0, this is version 1; "
        "start a new run or check out the commit in run.json"
    )


def test_describe_lists_every_setting_once_with_its_help() -> None:
    rows = {row.name: row for row in describe(Schema)}
    assert rows["learning_rate"][1:] == ("float", "0.001", "step size")
    assert rows["losses.perception_kl"][1:] == ("Piece | null", "null", "divergence from the masked view")
    assert rows["views.<name>.gradient"].type == "clean | both"
    assert rows["dry_run"].default == "false"
    assert "losses.perception_kl.coef" not in rows  # off by default: listed by `--help losses.perception_kl`
    assert [row.name for row in describe(Schema, "losses.perception_kl")][1:] == [
        f"losses.perception_kl.{name}" for name in ("coef", "gradient", "label")
    ]
    # 12 plain fields at the top, in `model` and in `config_version`; 3 in each of the two pieces that are on
    assert count_settings(Schema) == 12 + 6


def test_what_is_done_to_a_file_that_was_read_stays_out_of_the_next_reading(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("a: [1, {on: 2}]\n")
    first = read_yaml(path, "one")
    first["a"][1]["on"] = 3
    first["b"] = 4
    assert read_yaml(path, "one") == {"a": [1, {"on": 2}]}
    path.write_text("a: 5\n")
    assert read_yaml(path, "one") == {"a": 5}
