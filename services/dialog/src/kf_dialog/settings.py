"""Everything that can be set about the dialog service."""

import re
from typing import Self

from kf_runtime.settings import NATS_URL_REMEDY, POSTGRES_URL_REMEDY, NatsUrl, PostgresUrl, ServiceSettings
from pydantic import Field, SecretStr, field_validator, model_validator

_PAIR = re.compile(r"(\*|[0-9A-Za-z_-]{1,64})=([0-9A-Za-z_-]{1,64})")


class Settings(ServiceSettings):
    """The dialog service's settings, read from the environment once at start."""

    nats_url: NatsUrl = Field(
        default="nats://127.0.0.1:4222",
        description="The NATS server(s) with JetStream.",
        json_schema_extra={"remedy": NATS_URL_REMEDY},
    )
    kf_nats_replicas: int = Field(
        default=1, ge=1, le=5, description="Copies of each stream: 1 on one server, 3 in a cluster."
    )
    database_url: PostgresUrl = Field(
        description="PostgreSQL that keeps the conversations.",
        json_schema_extra={"remedy": POSTGRES_URL_REMEDY},
    )
    deepseek_api_key: SecretStr = Field(
        min_length=1,
        description="Key of the model endpoint, from the DeepSeek platform.",
        json_schema_extra={"remedy": "Create a key on the DeepSeek platform and put it here."},
    )
    deepseek_base_url: str = Field(
        default="https://api.deepseek.com",
        pattern=r"^https?://\S+$",
        description="OpenAI-compatible endpoint that answers the questions.",
        json_schema_extra={"remedy": "Use http(s)://host, with /v1 where the endpoint wants it."},
    )
    deepseek_model: str = Field(
        default="deepseek-chat", min_length=1, description="Name of the model at that endpoint."
    )
    kf_dialog_knowledge_target: str = Field(
        default="127.0.0.1:50051", min_length=1, description="host:port of the knowledge service."
    )
    kf_dialog_collections: str = Field(
        default="",
        description="Collections of accounts that the accounts file gives none: wkA=shop,wkB=saas,*=default.",
        json_schema_extra={"remedy": "Use open_kfid=collection, separated by commas; * is for all others."},
    )
    kf_dialog_accounts_file: str = Field(
        default="",
        description="YAML file that describes each account (docs/accounts.md); empty: safe defaults for all. "
        "A changed file is taken over without a restart.",
    )
    kf_dialog_merge_ms: int = Field(
        default=1500,
        ge=0,
        le=60_000,
        description="How long a customer must be quiet before the messages so far are answered together.",
    )
    kf_dialog_join_seconds: float = Field(
        default=15.0,
        gt=0,
        le=300,
        description="How long after the first message newer ones still join its answer; then it goes out.",
    )
    kf_dialog_turn_workers: int = Field(
        default=500,
        ge=1,
        le=5000,
        description="Conversations one replica answers at once; a turn that waits costs only memory.",
    )
    kf_dialog_lease_seconds: float = Field(
        default=10.0,
        ge=1,
        le=300,
        description="After so long without a sign of life a conversation passes to another replica.",
    )
    kf_dialog_model_timeout_seconds: float = Field(
        default=25.0,
        gt=0,
        le=300,
        description="Time for one answer of the model, retries included; then the customer gets a fallback.",
    )
    kf_dialog_drain_seconds: float = Field(
        default=25.0, ge=0, le=300, description="How long turns in hand may take after SIGTERM."
    )
    kf_dialog_health_host: str = Field(
        default="127.0.0.1", description="Address of the health check; 0.0.0.0 in a container."
    )
    kf_dialog_health_port: int = Field(default=50052, ge=0, le=65535, description="Port of the health check.")

    @field_validator("kf_dialog_collections")
    @classmethod
    def _pairs(cls, value: str) -> str:
        for part in filter(None, (p.strip() for p in value.split(","))):
            if not _PAIR.fullmatch(part):
                raise ValueError("has a part that is not open_kfid=collection")
        return value

    @model_validator(mode="after")
    def _joining_outlasts_merging(self) -> Self:
        if self.kf_dialog_join_seconds * 1000 < self.kf_dialog_merge_ms:
            raise ValueError("KF_DIALOG_JOIN_SECONDS is shorter than KF_DIALOG_MERGE_MS: raise it")
        return self

    @property
    def collections(self) -> dict[str, str]:
        """Collection by open_kfid (`*` for the others), as KF_DIALOG_COLLECTIONS names them."""
        return dict(part.strip().split("=") for part in self.kf_dialog_collections.split(",") if part.strip())
