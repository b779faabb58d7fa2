"""What is only guessed about WeCom, as switches that default to the best guess (sections 12 and 14)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Switches(BaseModel):
    """Behaviour that tests turn while the simulator runs; counts of 0 mean no limit."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    gettoken_new_each_time: bool = False
    trusted_ips: list[str] = []
    api_calls_per_minute: int = Field(10_000, ge=0)
    debug_calls_per_minute: int = Field(5, ge=0)
    sync_parallel: int = Field(5, ge=0)
    sync_tokenless_per_minute: int = Field(10, ge=0)
    sync_block_scope: Literal["tokenless", "all"] = "tokenless"
    sync_limit_over: Literal["clamp", "error"] = "clamp"
    notice_shuffle_xml: bool = False
    window_errcode: int = 95002
    window_hours: float = Field(48, gt=0)
    quota_per_message: int = Field(5, ge=0)
    oversize_errcode: int = 45002
    ended_errcode: int = 95018
    human_state_sendable: bool = False
    new_state_sendable: bool = True
    duplicate_msgid: Literal["refuse", "accept"] = "refuse"
    duplicate_msgid_errcode: int = 95099
    spent_code_errcode: int = 40058
    welcome_strict: bool = False
    transitions: list[str] = ["0>1", "0>2", "0>3", "0>4", "1>2", "1>3", "1>4", "2>3", "2>4", "3>3", "3>4"]
    send_limit_per_minute: int = Field(20, ge=0)
