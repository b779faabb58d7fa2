"""The static page: nothing foreign, no markup from data, every word in both languages."""

import re
from importlib.resources import files
from pathlib import Path

STATIC = Path(str(files("kf_traces") / "static"))
SOURCES = {path.name: path.read_text("utf-8") for path in sorted(STATIC.iterdir())}


def test_page_loads_nothing_from_another_host() -> None:
    for name, text in SOURCES.items():
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", text)) - {
            "http://www.w3.org/2000/svg"
        }
        assert not addresses, name


def test_no_script_turns_text_into_markup() -> None:
    for name, text in SOURCES.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), name


def test_every_word_exists_in_both_languages_and_is_used_by_name() -> None:
    words = SOURCES["i18n.js"]
    chinese, english = (set(re.findall(r"\b(\w+): \"", part)) for part in words.split("  en: {"))
    used = set(re.findall(r"\bt\(\"(\w+)\"", "".join(SOURCES.values())))
    used |= set(re.findall(r"data-(?:text|title|label|placeholder)=\"(\w+)\"", SOURCES["index.html"]))

    assert chinese == english
    assert used <= chinese


def test_every_module_is_asked_for_at_once() -> None:
    """A chain of imports would cost a round trip for each link."""
    modules = {name for name in SOURCES if name.endswith(".js")}

    assert set(re.findall(r"/static/(\w+\.js)", SOURCES["index.html"])) == modules
