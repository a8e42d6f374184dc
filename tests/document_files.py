"""Documents of many kinds, written for a test."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

CHINESE = (
    "# 烘焙\n\n咖啡烘焙师在冬天会把入豆温度提高五度，因为生豆更冷。"
    "第一爆之后他打开风门，让烟散去，然后数到九十秒。\n\n"
)
HTML = (
    "<html><head><title>Grinding</title><style>p {}</style><script>evil()</script></head><body>"
    "<nav>Home</nav><h1>Grinding</h1><p>Burrs cut the bean.</p><h2>Steps</h2><p>Finer slows the "
    "shot, coarser speeds it up.</p></body></html>"
)


def pdf(pages: Sequence[str]) -> bytes:
    """A PDF with a line of text on each page; "" for a page without any."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", _FONT]
    kids = []
    for text in pages:
        number = len(objects) + 1
        kids.append(f"{number} 0 R")
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {number + 1} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    content, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
    return f"{content}{end}startxref\n{len(content)}\n%%EOF\n".encode("latin-1")


_FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def epub(title: str, chapters: Sequence[str]) -> bytes:
    """A book with these chapters, each HTML."""
    items = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>'
        for n in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    package = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
        'version="1.0"><rootfiles><rootfile full-path="content.opf" '
        'media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as book:
        book.writestr("META-INF/container.xml", container)
        book.writestr("content.opf", package)
        for number, chapter in enumerate(chapters):
            book.writestr(f"c{number}.xhtml", f"<html><body>{chapter}</body></html>")
    return packed.getvalue()


def write_office(folder: Path) -> None:
    """A DOCX, a PPTX and an XLSX."""
    import openpyxl  # type: ignore[import-untyped]
    from pptx import Presentation

    sheet = openpyxl.Workbook()
    page = sheet.active
    page.title = "Batches"
    page.append(["batch", "charge", "note"])
    page.append([831, 197, "smelled of hay"])
    page.append([739, None, "tasted of rye bread"])
    sheet.save(folder / "batches.xlsx")
    slides = Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[1])
    slide.shapes.title.text = "Milk"
    slide.placeholders[1].text = "Steam it to sixty degrees."
    slides.save(str(folder / "milk.pptx"))
    (folder / "filters.docx").write_bytes(docx(["Filters", "Paper holds back the oils."]))


def docx(paragraphs: Sequence[str]) -> bytes:
    """A DOCX whose first paragraph is a heading."""
    main = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    types = "http://schemas.openxmlformats.org/package/2006"
    style = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
    body = "".join(
        f"<w:p>{style if not number else ''}<w:r><w:t>{text}</w:t></w:r></w:p>"
        for number, text in enumerate(paragraphs)
    )
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    styles = (
        f'<w:styles xmlns:w="{main}"><w:style w:type="paragraph" w:styleId="Heading1">'
        '<w:name w:val="heading 1"/></w:style></w:styles>'
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{types}/content-types"><Default Extension="rels" ContentType="'
            'application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
            'ContentType="application/xml"/></Types>',
        )
        file.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{types}/relationships"><Relationship Id="r1" '
            f'Type="{office}/officeDocument" Target="word/document.xml"/></Relationships>',
        )
        file.writestr(
            "word/_rels/document.xml.rels",
            f'<Relationships xmlns="{types}/relationships"><Relationship Id="r1" '
            f'Type="{office}/styles" Target="styles.xml"/></Relationships>',
        )
        file.writestr("word/styles.xml", styles)
        file.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{main}"><w:body>{body}</w:body></w:document>',
        )
    return packed.getvalue()
