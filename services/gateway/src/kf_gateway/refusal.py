"""Every answer of the callback that is not a success: status, code, and words in two languages."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """Why a request is not accepted, for whoever sets the callback up; it never echoes the request."""

    status: int
    code: str
    en: str
    zh: str

    def body(self) -> bytes:
        """The JSON answer."""
        return json.dumps(
            {"error": self.code, "message": self.en, "message_zh": self.zh}, ensure_ascii=False
        ).encode()


MISSING_PARAMETERS = Refusal(
    400,
    "missing_parameters",
    "msg_signature, timestamp and nonce (and echostr for GET) must be in the query. This URL is for WeCom; "
    "if WeCom called it, a proxy on the way drops the query string.",
    "查询参数缺少 msg_signature、timestamp、nonce（GET 还需 echostr）。此地址供企业微信回调；"
    "若确由企业微信调用，请检查反向代理是否丢弃了查询参数。",
)
BAD_SIGNATURE = Refusal(
    403,
    "bad_signature",
    "The signature does not match: WECOM_TOKEN must equal the Token on the app's callback page.",
    "签名不匹配：请确认 WECOM_TOKEN 与应用「接收消息」页面中的 Token 完全一致。",
)
WRONG_RECEIVER = Refusal(
    403,
    "wrong_receiver",
    "The message is meant for another corp: check WECOM_CORP_ID.",
    "消息的接收方不是本企业：请检查 WECOM_CORP_ID。",
)
UNDECRYPTABLE = Refusal(
    400,
    "undecryptable",
    "The message does not decrypt: WECOM_ENCODING_AES_KEY must equal the EncodingAESKey on the app's "
    "callback page.",
    "消息解密失败：请确认 WECOM_ENCODING_AES_KEY 与应用「接收消息」页面中的 EncodingAESKey 完全一致。",
)
NOT_A_CALLBACK = Refusal(
    400,
    "not_a_callback",
    "The body is not a WeCom callback: XML with one <Encrypt> and a complete event inside is expected.",
    "请求体不是有效的企业微信回调 XML（需要一个 <Encrypt> 节点及完整的事件内容）。",
)
BODY_TOO_LARGE = Refusal(
    413, "body_too_large", "The body is larger than 64 KiB; WeCom's are about 1 KiB.", "请求体超过 64 KiB。"
)
BODY_TOO_SLOW = Refusal(
    408, "body_too_slow", "The body did not arrive in time.", "请求体未能及时到达，请检查反向代理和网络。"
)
UNAVAILABLE = Refusal(
    503,
    "unavailable",
    "The message queue does not answer; WeCom will try again. "
    "Check that NATS is running and NATS_URL is right.",
    "消息队列暂不可用，企业微信会自动重试。请检查 NATS 是否运行、NATS_URL 是否正确。",
)


class RefusedError(Exception):
    """The request gets `refusal` for an answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
