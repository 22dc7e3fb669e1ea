"""fleet.conf, the environment and the flags: what they mean, who wins, and how a mistake is told."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config import Config, ConfigError, load, metadata
from fleet.duration import seconds


def test_without_anything_the_defaults_hold() -> None:
    config = load("", "fleet.conf", {}, {})
    assert config == Config()
    assert (config.agent_ttl, config.etcd_request_timeout, config.engine_reconcile_interval) == (30, 1, 2)


def test_flags_win_over_the_environment_and_that_over_the_file() -> None:
    text = '# note\nagent_ttl="10s"\npublic_ip=10.0.0.1\nverbosity=1\n'
    config = load(text, "f", {"FLEET_PUBLIC_IP": "10.0.0.2", "FLEET_VERBOSITY": "2"}, {"verbosity": "3"})
    assert (config.agent_ttl, config.public_ip, config.verbosity) == (10, "10.0.0.2", 3)


def test_lists_may_be_written_in_both_ways() -> None:
    wanted = ("http://a:1", "http://b:2")
    for text in ('etcd_servers=["http://a:1", "http://b:2"]', 'etcd_servers="http://a:1,http://b:2/"'):
        assert load(text, "f", {}, {}).etcd_servers == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("agent_tll=30s", r"f:1: unknown option agent_tll; did you mean agent_ttl\?"),
        ("\nagent_ttl=thirty", "f:2: agent_ttl=thirty: must be a duration such as 30s"),
        ("agent_ttl=100ms", "at least 1s"),
        ("agent_ttl=-5s", "more than 0"),
        ("public_ip=somewhere", "must be an IP address"),
        ("etcd_servers=localhost", "is no URL"),
        ("disable_engine=perhaps", "must be true or false"),
        ("nonsense", "is no `key=value`"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(text, "f", {}, {})
    assert "\n" not in str(caught.value)


def test_metadata_is_trimmed_and_the_last_of_a_key_holds() -> None:
    assert metadata(" a = 1 ,b=2,nonsense,a=3,=x") == {"a": "3", "b": "2"}


@pytest.mark.parametrize(
    ("text", "expected"), [("30s", 30), ("1m30s", 90), ("1.5s", 1.5), ("250ms", 0.25), ("0", 0), ("1h", 3600)]
)
def test_durations_are_gos(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@given(st.text(max_size=8))
def test_no_text_is_a_crash(text: str) -> None:
    with contextlib.suppress(ConfigError):
        load(f"agent_ttl={text}", "f", {}, {})
