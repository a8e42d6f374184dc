"""The rules of the layout, checked from the source text."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "src" / "metasynth"
FOLDERS = ("agents", "eval", "graphs", "memory", "softsrv", "student")
ENTRY_POINTS = ("cli", "compose")
EVERYTHING = {"core", "compose", *FOLDERS}

# What each part may import of ours. `core` is src/metasynth without cli and compose.
MAY_IMPORT: dict[str, set[str]] = {
    "core": {"core"},
    "memory": {"core"},
    "agents": {"core"},
    "softsrv": {"core"},
    "student": {"core"},
    "eval": {"core"},
    "graphs": {"core", "agents", "memory"},
    "compose": EVERYTHING,
    "cli": EVERYTHING,
}
# Files that start something: `python -m metasynth`, and Studio, which compiles the graphs.
EXCEPTIONS = {
    "src/metasynth/__main__.py": {"cli"},
    "graphs/studio.py": {"compose", "graphs"},
}
SLOW = {
    "chromadb",
    "datasets",
    "pyarrow",
    "sentence_transformers",
    "sklearn",
    "torch",
    "transformers",
}
FORBIDDEN_MODULES = {"dill", "cloudpickle", "joblib", "marshal", "pickle", "shelve"}
HOSTS = re.compile(
    r"huggingface\.co|hf\.co|hf-mirror|pypi\.org|pythonhosted|pytorch\.org|conda\.",
    re.IGNORECASE,
)
URL = re.compile(r"https?://([\w.-]+)")
KNOWN_HOSTS = {
    *("127.0.0.1", "HOST", "api.openai.com", "arxiv.org", "localhost"),
    "smith.langchain.com",  # LangGraph Studio's page, opened where the user says --open
}


def part_of(path: Path) -> str:
    """The row of the table that a source file belongs to."""
    place = path.relative_to(ROOT).parts
    if place[0] in FOLDERS:
        return place[0]
    return place[2] if place[2] in ENTRY_POINTS else "core"


def sources(*parts: str) -> list[Path]:
    files = [
        path for top in (CORE, *(ROOT / name for name in FOLDERS)) for path in top.rglob("*.py")
    ]
    return sorted(path for path in files if not parts or part_of(path) in parts)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and module of every absolute import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
            if node.module == "metasynth":
                yield from ((node.lineno, f"metasynth.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: not functions, not what type checkers alone see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield other
                yield from at_import(other)
            continue
        yield child
        yield from at_import(child)


def target(module: str) -> str | None:
    """The row of the table that an import reaches; None for what is not ours."""
    head, *rest = module.split(".")
    if head in (*FOLDERS, *ENTRY_POINTS, "src"):
        return f"{head} by its bare name"
    if head != "metasynth":
        return None
    return rest[0] if rest and rest[0] in MAY_IMPORT else "core"


def test_every_part_imports_only_what_the_table_allows() -> None:
    broken = []
    for path in sources():
        allowed = MAY_IMPORT[part_of(path)] | EXCEPTIONS.get(name_of(path), set())
        for line, module in imports(tree_of(path)):
            reached = target(module)
            if reached not in (None, part_of(path), *allowed):
                broken.append(f"{name_of(path)}:{line} imports {module}")
            elif reached == part_of(path) in FOLDERS and name_of(path) not in EXCEPTIONS:
                broken.append(f"{name_of(path)}:{line} imports its own folder by its full name")
    assert not broken, "\n".join(broken)


def test_other_folders_are_imported_by_their_package_alone() -> None:
    broken = [
        f"{name_of(path)}:{line} imports {module}: import from metasynth.{reached}"
        for path in sources()
        for line, module in imports(tree_of(path))
        if (reached := target(module)) in (*FOLDERS, *ENTRY_POINTS)
        and reached != part_of(path)
        and module != f"metasynth.{reached}"
    ]
    assert not broken, "\n".join(broken)


def _levels(path: Path) -> int:
    """How many dots a relative import may have without leaving its folder."""
    if part_of(path) in FOLDERS:
        return len(path.relative_to(ROOT).parts) - 1
    inside = len(path.relative_to(CORE).parts)
    return inside - 1 if part_of(path) in ENTRY_POINTS else inside


def test_relative_imports_stay_inside_their_folder() -> None:
    broken = [
        f"{name_of(path)}:{node.lineno} climbs {node.level} levels"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.level > _levels(path)
    ]
    assert not broken, "\n".join(broken)


def test_the_core_and_its_domains_import_no_framework_of_agents() -> None:
    broken = [
        f"{name_of(path)}:{line} imports {module}"
        for path in sources("core", "softsrv", "student", "eval")
        for line, module in imports(tree_of(path))
        if module.split(".")[0] in ("langgraph", "chromadb", "openai", "langchain_openai")
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_a_signpost_and_a_marker(folder: str) -> None:
    signpost = (CORE / f"{folder}.pyi").read_text(encoding="utf-8")
    assert signpost == f"from {folder} import *\n"
    assert (ROOT / folder / "py.typed").exists()


@pytest.mark.parametrize("package", [*FOLDERS, "cli", "compose", "domains"])
def test_what_a_folder_shows_is_sorted_and_all_there_is(package: str) -> None:
    folder = CORE / package if (CORE / package).is_dir() else ROOT / package
    tree = tree_of(folder / "__init__.py")
    assert ast.get_docstring(tree)
    shown = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    module = importlib.import_module(f"metasynth.{package}")
    exported = getattr(module, "__all__", [])
    # ruff's order: constants, then classes, then the rest
    rank = [(not name.isupper(), name[0].islower(), name) for name in exported]
    assert rank == sorted(rank)
    assert len(set(exported)) == len(exported)
    assert set(exported) == shown
    missing = [name for name in exported if not hasattr(module, name)]
    assert not missing


def test_slow_libraries_are_imported_inside_functions() -> None:
    broken = [
        f"{name_of(path)}:{line} imports {module} when it is imported"
        for path in sources("core", "agents", "cli", "graphs", "compose")
        for node in at_import(tree_of(path))
        for line, module in (imports(node) if isinstance(node, ast.Import | ast.ImportFrom) else ())
        if module.split(".")[0] in SLOW
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    "package", ["agents", "config", "domains", "lm", "records", "seeds", "softsrv", "text"]
)
def test_importing_a_package_loads_no_slow_library(package: str) -> None:
    code = f"import sys, metasynth.{package}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT.parent
    )
    assert not SLOW & set(done.stdout.split())


def test_no_source_names_a_hub_or_a_registry() -> None:
    text_files = [*sources(), *(p for f in FOLDERS for p in (ROOT / f).rglob("*.yaml"))]
    text_files += [ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / "langgraph.json"]
    text_files += [*(ROOT / "examples").rglob("*.*"), ROOT / "constraints.txt"]
    broken = [
        f"{name_of(path)}:{number} {line.strip()}"
        for path in text_files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if HOSTS.search(line)
    ]
    assert not broken, "\n".join(broken)


def test_sources_name_no_host_but_the_known_ones() -> None:
    broken = [
        f"{name_of(path)} names {host}"
        for path in sources()
        for host in URL.findall(path.read_text(encoding="utf-8"))
        if host not in KNOWN_HOSTS
    ]
    assert not broken, "\n".join(broken)


def test_nothing_is_unpickled() -> None:
    broken = [
        f"{name_of(path)}:{line} imports {module}"
        for path in sources()
        for line, module in imports(tree_of(path))
        if module.split(".")[0] in FORBIDDEN_MODULES
    ]
    assert not broken, "\n".join(broken)


def risk(call: ast.Call) -> str | None:
    """What is dangerous about a call, by its name and arguments alone."""
    name = ast.unparse(call.func)
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if name in ("eval", "exec", "compile", "__import__"):
        return f"{name}() carries text out as code"
    if name in ("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"):
        return f"{name}() may make any object"
    if name == "torch.load" and given.get("weights_only") != "True":
        return "torch.load() without weights_only=True"
    if given.get("allow_pickle") == "True":
        return "allow_pickle=True"
    if given.get("shell") == "True" or name in ("os.system", "os.popen"):
        return f"{name}() runs a shell"
    if given.get("trust_remote_code") == "True":
        return "code of a model's would be executed without having been asked for"
    return None


def test_no_text_is_carried_out_as_code() -> None:
    broken = [
        f"{name_of(path)}:{node.lineno} {problem}"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and (problem := risk(node))
    ]
    assert not broken, "\n".join(broken)


def test_templates_are_rendered_in_the_sandbox_alone() -> None:
    broken = [
        f"{name_of(path)}:{node.lineno} uses {alias.name}"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jinja2")
        for alias in node.names
        if alias.name in ("Environment", "Template")
    ]
    assert not broken, "\n".join(broken)


def test_every_package_is_listed_for_the_wheel() -> None:
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(settings["tool"]["setuptools"]["packages"])
    found = {"metasynth"}
    for init in (
        *CORE.rglob("__init__.py"),
        *(p for f in FOLDERS for p in (ROOT / f).rglob("__init__.py")),
    ):
        base = CORE if init.is_relative_to(CORE) else ROOT
        found.add(".".join(("metasynth", *init.parent.relative_to(base).parts)))
    assert listed == found


def test_the_checks_find_what_they_are_for() -> None:
    tree = ast.parse("import agents\nfrom metasynth import cli\ndef f():\n    import torch\n")
    assert [target(module) for _, module in imports(tree)] == [
        "agents by its bare name",
        "core",
        "cli",
        None,
    ]
    assert not any(
        isinstance(n, ast.Import) and n.names[0].name == "torch" for n in at_import(tree)
    )
    calls = "eval('1')", "yaml.load(x)", "torch.load(x)", "run(x, shell=True)"
    assert all(risk(ast.parse(call, mode="eval").body) for call in calls)  # type: ignore[arg-type]
    assert risk(ast.parse("model.eval()", mode="eval").body) is None  # type: ignore[arg-type]
