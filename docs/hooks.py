"""What MkDocs does beside turning Markdown into pages: it makes those of the reference."""

from pathlib import Path

from generate import PAGES
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parent.parent
_FROM_THE_TOP = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from code and schemas, and those that lie at the top."""
    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    for source, path in _FROM_THE_TOP.items():
        text = (_ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, path, content=text.replace("](docs/", "](")))
    licence = (_ROOT / "LICENSE").read_text(encoding="utf-8")
    text = f"# Licence\n\nApache-2.0.\n\n```text\n{licence}```\n"
    files.append(File.generated(config, "licence.md", content=text))
    return files
