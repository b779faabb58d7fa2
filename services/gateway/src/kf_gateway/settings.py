"""The gateway's settings."""

from typing import Annotated

from kf_runtime.settings import NATS_URL_REMEDY, NatsUrl, ServiceSettings
from kf_wecom.crypto import CallbackCrypto
from pydantic import AfterValidator, Field, SecretStr

# Valid partners for checking one setting of the callback's crypto alone.
_TOKEN, _AES_KEY, _CORP_ID = "token", "A" * 43, "ww0"


def _callback_token(value: SecretStr) -> SecretStr:
    CallbackCrypto(value.get_secret_value(), _AES_KEY, _CORP_ID)
    return value


def _callback_aes_key(value: SecretStr) -> SecretStr:
    CallbackCrypto(_TOKEN, value.get_secret_value(), _CORP_ID)
    return value


class Settings(ServiceSettings):
    """Where the gateway listens, which app it speaks for, and how eagerly it pulls."""

    wecom_corp_id: str = Field(
        pattern=r"^[0-9A-Za-z_-]{4,64}$",
        description="The corp id (企业 ID), as on the page 我的企业 of the WeCom admin site.",
    )
    wecom_kf_secret: SecretStr = Field(
        min_length=1,
        description="Secret of the self-built app that may use the KF API (微信客服 → 可调用接口的应用).",
    )
    wecom_token: Annotated[SecretStr, AfterValidator(_callback_token)] = Field(
        description="Token of the app's callback configuration (接收消息 → 设置API接收)."
    )
    wecom_encoding_aes_key: Annotated[SecretStr, AfterValidator(_callback_aes_key)] = Field(
        description="EncodingAESKey of the same page, 43 letters and digits."
    )
    wecom_api_base: str = Field(
        default="https://qyapi.weixin.qq.com",
        pattern=r"^https?://[^/?#\s]+$",
        description="Where WeCom's API is: scheme and host, no path.",
    )
    nats_url: NatsUrl = Field(
        default="nats://127.0.0.1:4222",
        description="The NATS server(s) with JetStream.",
        json_schema_extra={"remedy": NATS_URL_REMEDY},
    )
    host: str = Field(default="0.0.0.0", min_length=1, description="Address that the callback listens on.")  # noqa: S104
    port: int = Field(default=8000, ge=1, le=65535, description="Port that the callback listens on.")
    kf_nats_replicas: int = Field(
        default=1, ge=1, le=5, description="Copies of each stream: 1 on one server, 3 in a cluster."
    )
    kf_gateway_poll_seconds: float = Field(
        default=60,
        ge=1,
        description="An account is pulled without a notice when nobody has pulled it for this long.",
    )
    kf_gateway_first_run_seconds: float = Field(
        default=600,
        ge=0,
        description="On the first pull of an account, messages older than this are recorded, not answered.",
    )
    kf_gateway_pull_workers: int = Field(
        default=4, ge=1, le=64, description="Accounts that one replica pulls at the same time."
    )
