import pytest
from pydantic import ValidationError

from components.base_model.settings import BaseModelSettings
from pipelines.config import Config
from pipelines.overrides import BadSettings, describe, override
from pipelines.presets import NAMES, preset


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_is_valid_and_survives_json(name: str) -> None:
    config = preset(name)

    assert Config.model_validate_json(config.model_dump_json()) == config


def test_values_take_the_type_of_their_field() -> None:
    changed = override(
        preset("smoke"),
        [
            "dreambooth.steps=7",
            "dreambooth.text_encoder=true",
            "run.fractions=0.1,1",
            "data_versioning.classes=Crack,Blow hole",
            "run.token=123",
        ],
    )

    assert changed.dreambooth.steps == 7
    assert changed.dreambooth.text_encoder is True
    assert changed.run.fractions == (0.1, 1.0)
    assert changed.data_versioning.classes == ("Crack", "Blow hole")
    assert changed.run.token == "123"


def test_all_problems_are_told_at_once_with_value_and_way_out() -> None:
    with pytest.raises(BadSettings) as error:
        override(
            preset("smoke"),
            [
                "dreambooth.step=3",
                "dreamboot.steps=3",
                "plan.samples=16",
                "run.fractions=1,0.1",
                "nonsense",
            ],
        )

    message = str(error.value)
    assert "did you mean 'steps'?" in message
    assert "did you mean 'dreambooth'?" in message
    assert "plan.samples" in message and "15" in message and "16" in message
    assert "ascending" in message
    assert "step.field=value" in message
    assert len(message.splitlines()) == 5


def test_fields_that_contradict_each_other_are_told() -> None:
    with pytest.raises(BadSettings, match="run.shards=9 is more than plan.images=4"):
        override(preset("smoke"), ["run.shards=9"])
    with pytest.raises(BadSettings, match=r"plan.together=3 .* set synthesis.background=photo"):
        override(preset("paper"), ["plan.together=3"])
    with pytest.raises(
        BadSettings, match=r"synthesis.strength=1 .* set hypernetwork.strength to 1"
    ):
        override(preset("paper"), ["hypernetwork.strength=0.3"])


@pytest.mark.parametrize(
    ("source", "revision"),
    [("owner/name", ""), ("owner/name", "main"), ("owner/name", "z" * 40), ("name", "main")],
)
def test_a_hub_model_needs_its_commit(source: str, revision: str) -> None:
    with pytest.raises(BadSettings, match=f"40 hex digits>, the commit to pin, not '{revision}'"):
        override(
            preset("smoke"), [f"base_model.source={source}", f"base_model.revision={revision}"]
        )


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        preset("smoke").dreambooth.steps = 3  # type: ignore[misc]


def test_every_setting_says_what_it_means() -> None:
    rows = describe(preset("smoke"))

    assert len(rows) > 60
    assert [name for name, _, meaning in rows if len(meaning) < 12] == []


def test_a_file_counts_by_its_content_and_not_by_its_place() -> None:
    def key(source: str, digest: str) -> str:
        return BaseModelSettings(source=source, digest=digest).content()

    assert key("/here/model", "d1") == key("/there/model", "d1")
    assert key("/here/model", "d1") != key("/here/model", "d2")
    assert BaseModelSettings().content() != BaseModelSettings(source="/here").content()
