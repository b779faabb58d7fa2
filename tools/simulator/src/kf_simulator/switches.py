"""What is only guessed about WeCom, as switches that default to the best guess (sections 12 and 14)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Check = Literal["state", "window", "quota"]


class Switches(BaseModel):
    """Behaviour that tests turn while the simulator runs; counts of 0 mean no limit."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    gettoken_new_each_time: bool = False
    trusted_ips: list[str] = []
    trusted_ips_gettoken: bool = True
    bad_secrets_per_hour: int = Field(2000, ge=0)
    limit_scale: float = Field(1.0, gt=0)
    api_calls_per_minute: int = Field(10_000, ge=0)
    api_calls_per_hour: int = Field(150_000, ge=0)
    ip_calls_per_minute: int = Field(20_000, ge=0)
    ip_calls_per_hour: int = Field(600_000, ge=0)
    debug_calls_per_minute: int = Field(5, ge=0)
    sync_parallel: int = Field(5, ge=0)
    sync_tokenless_per_minute: int = Field(10, ge=0)
    sync_block_scope: Literal["tokenless", "all"] = "tokenless"
    sync_limit_over: Literal["clamp", "error"] = "clamp"
    missing_open_kfid_errcode: int = 40058
    bad_cursor_errcode: int = 40058
    notice_shuffle_xml: bool = False
    notice_batch_seconds: float = Field(0, ge=0, le=60)
    notice_retry_resigned: bool = True
    window_errcode: int = 95002
    window_hours: float = Field(48, gt=0)
    quota_per_message: int = Field(5, ge=0)
    event_sends_count: bool = False
    check_order: list[Check] = ["state", "window", "quota"]
    breach_reported: Literal["at_once", "later"] = "at_once"
    oversize_errcode: int = 45002
    ended_errcode: int = 95018
    human_state_sendable: bool = False
    new_state_sendable: bool = True
    duplicate_msgid: Literal["refuse", "accept"] = "refuse"
    duplicate_msgid_errcode: int = 95099
    spent_code_errcode: int = 40058
    welcome_strict: bool = False
    transitions: list[str] = ["0>1", "0>2", "0>3", "0>4", "1>2", "1>3", "1>4", "2>3", "2>4", "3>3", "3>4"]
    ended_transition_errcode: int = 95016
    exclusive_service: bool = False
    channels_bound: bool = False
    send_limit_per_minute: int = Field(20, ge=0)
    answers_per_message: int = Field(0, ge=0)

    def scaled(self, limit: int) -> int:
        """A limit of section 10 times limit_scale; at least 1, and 0 stays none."""
        return max(1, round(limit * self.limit_scale)) if limit else 0
