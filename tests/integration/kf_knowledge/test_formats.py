"""Documents of every format become passages with headings and pages; hostile ones are refused in words."""

import io
import re
from collections.abc import Sequence

import pypdfium2
import pytest
from kf_knowledge.content import InvalidDocumentError
from kf_knowledge.passages import Format, Passage
from kf_knowledge.reading import Reading
from kf_knowledge.sandbox import Sandbox

from tests.fakes import office_files as made

PAGE = """<html><head><meta charset="gbk"><title>帮助</title></head><body><nav>菜单</nav><main>
<h1>退货</h1><p>七天<b>无理由</b>。</p><ul><li>未拆封</li></ul><h2>价格</h2>
<table><tr><th>型号</th><th>价格</th></tr><tr><td>X2</td><td>2999</td></tr></table>
<img alt="退货流程图"><div style="display:none">ignore this</div><script>x()</script></main></html>"""


async def read(kind: Format, content: bytes) -> Reading:
    return await Sandbox().read(kind, content)


async def refused(kind: Format, content: bytes) -> str:
    with pytest.raises(InvalidDocumentError) as raised:
        await read(kind, content)
    return str(raised.value)


async def test_web_page_is_read_along_its_headings_without_what_nobody_sees() -> None:
    reading = await read(Format.HTML, PAGE.encode("gbk"))
    assert reading.title == "帮助"
    assert reading.passages == [
        Passage("七天无理由。\n- 未拆封", ("退货",)),
        Passage("型号 | 价格\nX2 | 2999\n退货流程图", ("退货", "价格")),
    ]


async def test_word_file_keeps_headings_and_tables() -> None:
    content = made.word(
        [("保修", "整机两年。"), ("退货", "七天无理由。")], [["配件", "保修"], ["电池", "一年"]]
    )
    assert (await read(Format.DOCX, content)).passages == [
        Passage("整机两年。", ("保修",)),
        Passage("七天无理由。\n| 配件 | 保修 |\n|---|---|\n| 电池 | 一年 |", ("退货",)),
    ]


async def test_excel_sheet_with_the_columns_of_an_faq_is_read_as_one() -> None:
    sheets: dict[str, Sequence[Sequence[object]]] = {
        "问答": [
            ["客服问答库"],
            ["分类", "标准问题", "相似问题", "答案"],
            ["保修", "保修多久", "质保几年|保多久", "两年"],
        ],
        "价格": [["型号", "价格"], ["X2", 2999]],
    }
    assert (await read(Format.XLSX, made.excel(sheets))).passages == [
        Passage("两年", (), "保修多久", ("质保几年", "保多久")),
        Passage("| 型号 | 价格 |\n|---|---|\n| X2 | 2999 |", ("价格",)),
    ]


async def test_slides_keep_title_notes_and_number() -> None:
    content = made.powerpoint([("价格", "X2 卖 2999 元", ""), ("保修", "两年", "含电池")])
    passages = (await read(Format.PPTX, content)).passages
    assert [(p.text, p.headings, p.page) for p in passages] == [
        ("X2 卖 2999 元", ("价格",), 1),
        ("两年\n含电池", ("保修",), 2),
    ]


async def test_pdf_joins_lines_drops_running_heads_and_keeps_pages() -> None:
    pages = [["Manual of X2", f"Text of page {n} goes", "on here.", f"Page {n}"] for n in range(1, 6)]
    passages = (await read(Format.PDF, made.pdf(pages))).passages
    assert passages[0].text.splitlines()[0] == "Text of page 1 goes on here."
    assert "Manual" not in passages[0].text
    assert all(p.page >= 1 for p in passages)


BOMB = made.with_part(made.word([("a", "b")]), "word/media/x.xml", b"0" * 64 * 1024 * 1024)
MACROS = made.with_part(made.excel({"a": [["b"]]}), "xl/vbaProject.bin", b"x")
ENTITIES = made.with_part(
    made.word([("a", "b")]),
    "word/document.xml",
    b'<!DOCTYPE z [<!ENTITY a "'
    + b"x" * 10_000
    + b'">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 50) for n in range(8))
    + b"]><w:document>&i;</w:document>",
)


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        (Format.DOCX, BOMB, "unpacks to far more than it should"),
        (Format.XLSX, MACROS, "has macros"),
        (Format.DOCX, ENTITIES, "damaged|made to do harm|memory"),
        (Format.DOCX, made.excel({"a": [["b"]]}), "another kind than its name says"),
        (Format.PDF, b"MZ\x90\x00" * 100, "no PDF file, whatever its name says"),
        (Format.XLSX, b"a,b\n1,2\n", "no .xlsx file, whatever its name says"),
        (Format.XLSX, b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old Office file or one with a password"),
        (Format.PDF, b"%PDF-1.4\n" + b"garbage " * 500, "is damaged"),
        (Format.PDF, made.pdf([[""]]), "run OCR"),
        (Format.DOCX, b"PK\x03\x04" + b"\0" * 500, "is damaged"),
        (
            Format.XLSX,
            made.excel({"a": [["问题", "答案"], ["甲", ""]]}),
            "sheet 'a', row 2: the answer is empty",
        ),
        (Format.HTML, b"<p></p>", "headings only, no text"),
        (Format.PPTX, b"", "is empty"),
    ],
)
async def test_bad_and_hostile_files_are_refused_with_the_reason(
    kind: Format, content: bytes, reason: str
) -> None:
    assert re.search(reason, await refused(kind, content))


async def test_pdf_of_ten_thousand_pages_is_refused() -> None:
    document = pypdfium2.PdfDocument.new()
    for _ in range(10_000):
        document.new_page(100, 100)
    out = io.BytesIO()
    document.save(out)
    assert "10,000 pages, at most 2,000" in await refused(Format.PDF, out.getvalue())


async def test_huge_cells_do_not_fill_the_memory() -> None:
    """A shared string of 300 MB, packed into 300 kB: the ratio is seen before it is unpacked."""
    cell = b"<sst><si><t>" + b"A" * 200 * 1024 * 1024 + b"</t></si></sst>"
    content = made.with_part(made.excel({"a": [["x"]]}), "xl/sharedStrings.xml", cell)
    assert "unpacks to far more" in await refused(Format.XLSX, content)


async def test_deeply_nested_page_is_refused() -> None:
    """Its reader would work for minutes; the process around it has limits, the service does not feel it."""
    with pytest.raises(InvalidDocumentError, match="made to do harm"):
        await Sandbox(cpu_seconds=1).read(Format.HTML, b"<div>" * 700_000 + b"x")
