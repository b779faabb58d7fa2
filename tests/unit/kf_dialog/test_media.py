import asyncio
import time
from typing import Any, cast

import pytest
from kf_dialog.accounts import Account, Endpoint, Limits
from kf_dialog.conversation import Question
from kf_dialog.endpoints import Endpoints
from kf_dialog.media import Media
from kf_dialog.model import Ask, Completion, ModelError
from kf_dialog.retry import Fault
from kf_wecom.errors import NotSentError
from kf_wecom.models import DownloadedMedia

PNG, AMR = b"\x89PNG\r\n\x1a\n" + b"x" * 50, b"#!AMR\n" + b"x" * 50
EYES = Endpoint(base_url="http://127.0.0.1:9/eyes", model="v")
EARS = Endpoint(base_url="http://127.0.0.1:9/ears", model="s")
ALL = Account(vision=EYES, speech=EARS)


class FakeWecom:
    """WeCom's media by id; remembers what was fetched."""

    def __init__(self, **media: bytes) -> None:
        self.media, self.fetched = media, list[str]()

    async def media_get(self, media_id: str) -> DownloadedMedia:
        """The content, or the error of a network that is away."""
        self.fetched.append(media_id)
        if media_id not in self.media:
            raise NotSentError("/cgi-bin/media/get", "connect_error")
        return DownloadedMedia(content=self.media[media_id], content_type="x", filename="")


class FakeSenses:
    """Endpoints that see and hear what they are told to."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.delay = 0.0
        self.fault: Fault | None = None

    def of(self, _: Endpoint) -> "FakeSenses":
        """The model behind an endpoint."""
        return self

    async def complete(self, ask: Ask, _: float) -> Completion:
        """What is in a picture."""
        self.asked.append(ask)
        await asyncio.sleep(self.delay)
        if self.fault:
            raise ModelError(self.fault)
        return Completion("**红灯**亮着", "v", 1, 1)

    async def transcribe(self, audio: bytes, filename: str, _: float) -> str:
        """What a voice says."""
        self.asked.append((audio, filename))
        return "这个怎么修"


def message(msgid: str, msgtype: str, media_id: str, age: float = 0) -> Question:
    item = {
        "msgid": msgid,
        "open_kfid": "wk1",
        "external_userid": "wm1",
        "send_time": int(time.time() - age),
        "origin": 3,
        "msgtype": msgtype,
        msgtype: {"media_id": media_id},
    }
    return Question(msgid, 1, item, {})


def media(wecom: FakeWecom | None, senses: FakeSenses) -> Media:
    return Media(wecom, cast(Endpoints, senses))


async def test_pictures_are_described_and_voices_heard() -> None:
    wecom, senses = FakeWecom(p=PNG, v=AMR), FakeSenses()
    burst = [message("m1", "image", "p"), message("m2", "voice", "v"), message("m3", "file", "f")]
    assert await media(wecom, senses).read(ALL, burst, 5) == {"m1": "红灯亮着", "m2": "这个怎么修"}
    assert wecom.fetched == ["p", "v"]
    picture = senses.asked[0].messages[0]["content"][1]["image_url"]["url"]
    assert picture.startswith("data:image/png;base64,")
    assert senses.asked[1][1] == "voice.amr"


async def test_what_no_endpoint_reads_is_not_even_fetched() -> None:
    wecom = FakeWecom(p=PNG)
    assert await media(wecom, FakeSenses()).read(Account(), [message("m1", "image", "p")], 5) == {}
    assert await media(None, FakeSenses()).read(ALL, [message("m1", "image", "p")], 5) == {}
    assert wecom.fetched == []


@pytest.mark.parametrize(
    ("content", "account"),
    [
        (b"MZ" + b"x" * 50, ALL),
        (b"", ALL),
        (PNG + b"x" * 200_000, Account(vision=EYES, limits=Limits(media_megabytes=0.1))),
    ],
)
async def test_what_is_no_picture_or_too_large_goes_nowhere(content: bytes, account: Account) -> None:
    senses = FakeSenses()
    assert await media(FakeWecom(p=content), senses).read(account, [message("m1", "image", "p")], 5) == {}
    assert senses.asked == []


async def test_media_that_wecom_no_longer_has_is_not_asked_for() -> None:
    wecom = FakeWecom(p=PNG)
    old = message("m1", "image", "p", age=4 * 24 * 3600)
    assert await media(wecom, FakeSenses()).read(ALL, [old], 5) == {}
    assert wecom.fetched == []


async def test_a_fault_anywhere_leaves_the_message_unread() -> None:
    senses = FakeSenses()
    senses.fault = Fault.DOWN
    reader = media(FakeWecom(p=PNG), senses)
    assert await reader.read(ALL, [message("m1", "image", "p"), message("m2", "image", "gone")], 5) == {}


async def test_a_picture_is_read_once_and_a_slow_one_is_there_for_the_next_attempt() -> None:
    wecom, senses = FakeWecom(p=PNG), FakeSenses()
    senses.delay = 0.3
    reader, picture = media(wecom, senses), [message("m1", "image", "p")]
    assert await reader.read(ALL, picture, 0.01) == {}
    assert await reader.read(ALL, picture, 30) == {"m1": "红灯亮着"}
    assert await reader.read(ALL, picture, 30) == {"m1": "红灯亮着"}
    assert wecom.fetched == ["p"]
