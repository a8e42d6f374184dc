"""What MkDocs does beside turning Markdown into pages: it makes those of the reference."""

from generate import PAGES
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from code and schemas."""
    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    return files
