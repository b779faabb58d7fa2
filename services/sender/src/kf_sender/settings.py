"""The settings of the sender, one flat class."""

from kf_runtime.settings import NATS_URL_REMEDY, POSTGRES_URL_REMEDY, NatsUrl, PostgresUrl, ServiceSettings
from pydantic import Field, SecretStr


class Settings(ServiceSettings):
    """Environment of `python -m kf_sender`."""

    wecom_corp_id: str = Field(
        min_length=1,
        description="The corp's id, ww...",
        json_schema_extra={"remedy": "管理后台 → 我的企业 → 企业信息 → 企业ID / copy the corp id (ww...)."},
    )
    wecom_kf_secret: SecretStr = Field(
        min_length=1,
        description="Secret of the app that may call the KF API.",
        json_schema_extra={"remedy": "管理后台 → 应用管理 → 自建应用 → Secret / copy the app's secret."},
    )
    wecom_api_base: str = Field(
        default="https://qyapi.weixin.qq.com",
        pattern=r"^https?://\S+$",
        description="WeCom's API host, or the simulator's.",
        json_schema_extra={"remedy": "Use http(s)://host[:port], or leave it out for WeCom itself."},
    )
    database_url: PostgresUrl = Field(
        description="PostgreSQL that keeps the ledger.", json_schema_extra={"remedy": POSTGRES_URL_REMEDY}
    )
    nats_url: NatsUrl = Field(
        default="nats://127.0.0.1:4222",
        description="The NATS server(s) with JetStream.",
        json_schema_extra={"remedy": NATS_URL_REMEDY},
    )
    kf_nats_replicas: int = Field(
        default=1, ge=1, le=5, description="Copies of each stream: 1 on one machine, 3 in a cluster."
    )
    kf_sender_rate_per_minute: int = Field(
        default=20,
        ge=1,
        le=9000,
        description="send_msg calls per minute, all replicas and accounts together.",
    )
    kf_sender_account_rate_per_minute: int = Field(
        default=0,
        ge=0,
        le=9000,
        description="send_msg calls per minute of one KF account, all replicas together; "
        "0: no limit but that of all accounts.",
    )
    kf_sender_burst: int = Field(
        default=0,
        ge=0,
        le=9000,
        description="Ordinary sends at once; so many again when as much of the minute has passed. "
        "0: half of KF_SENDER_RATE_PER_MINUTE.",
    )
    kf_sender_merge_seconds: float = Field(
        default=120.0,
        ge=1,
        le=86_400,
        description="An answer that has waited so long goes out in one message with those behind it.",
    )
    kf_sender_keep_days: int = Field(
        default=30,
        ge=4,
        le=3650,
        description="How long commands that ended stay in the ledger, with their text; "
        "never less than the streams keep.",
    )
    kf_sender_workers: int = Field(
        default=8, ge=1, le=64, description="Customers that one replica sends to at the same time."
    )
    kf_sender_max_parts: int = Field(
        default=4,
        ge=1,
        le=5,
        description="Messages one answer may take; WeCom allows 5, and one is kept for a handover notice.",
    )
    kf_sender_drain_seconds: float = Field(
        default=25.0, gt=0, le=300, description="How long sends in hand may take after SIGTERM."
    )
    kf_sender_health_host: str = Field(
        default="127.0.0.1", description="Address of the health check; 0.0.0.0 in containers."
    )
    kf_sender_health_port: int = Field(
        default=50053, ge=0, le=65535, description="Port of the gRPC health check."
    )
