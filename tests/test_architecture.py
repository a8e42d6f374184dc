"""The rules of the layout, checked from the source text."""

import ast
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "src" / "metasynth"
FOLDERS = ("agents", "eval", "graphs", "memory", "softsrv", "student")
ABOVE_CORE = ("api.py", "cli", "compose", "results")
LIBRARIES = {"core", "memory", "agents", "softsrv", "student", "eval"}

# What each room may import of ours besides itself. `core` is src/metasynth without cli, compose,
# results and api.py, the functions that a notebook calls.
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "memory": {"core"},
    "agents": {"core"},
    "softsrv": {"core"},
    "student": {"core"},
    "eval": {"core"},
    "graphs": LIBRARIES - {"eval"},
    "results": LIBRARIES - {"agents"},
    "compose": LIBRARIES | {"graphs"},
    "cli": LIBRARIES | {"graphs", "results", "compose"},
    "api.py": LIBRARIES | {"graphs", "results", "compose"},
}
# Files that start something: `python -m metasynth`, and Studio, which compiles the graphs.
EXCEPTIONS = {
    "src/metasynth/__main__.py": {"cli"},
    "graphs/studio.py": {"compose"},
}
MOST_MODULES = 30
MOST_LINES_OF_COMPOSE = 2000
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
    # where providers send what a run file names them for
    *("api.anthropic.com", "api.cohere.com", "api.deepseek.com", "api.fireworks.ai"),
    *("api.groq.com", "api.mistral.ai", "api.perplexity.ai", "api.together.xyz"),
    *("api.x.ai", "bedrock-runtime.amazonaws.com", "generativelanguage.googleapis.com"),
    *("127.0.0.1", "HOST", "api.openai.com", "arxiv.org", "localhost"),
    "openrouter.ai",
    "smith.langchain.com",  # LangGraph Studio's page, opened where the user says --open
}


def room_of(path: Path) -> str:
    """The row of the table that a source file belongs to."""
    place = path.relative_to(ROOT).parts
    if place[0] in FOLDERS:
        return place[0]
    return place[2] if place[2] in ABOVE_CORE else "core"


def package_of(path: Path) -> str:
    """The folder of a source file; files that lie directly in a room are packages of their own."""
    place = path.relative_to(CORE if path.is_relative_to(CORE) else ROOT).parts
    is_alone = len(place) == 1 or (len(place) == 2 and place[0] in FOLDERS)
    return "/".join(place if is_alone else place[:-1])


def sources(*rooms: str) -> list[Path]:
    files = [
        path for top in (CORE, *(ROOT / name for name in FOLDERS)) for path in top.rglob("*.py")
    ]
    return sorted(path for path in files if not rooms or room_of(path) in rooms)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    """The name that a source file is imported by."""
    place = path.relative_to(CORE if path.is_relative_to(CORE) else ROOT)
    return ".".join(("metasynth", *place.with_suffix("").parts)).removesuffix(".__init__")


FILES = {module_of(path): path for path in sources()}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST, module: str = "") -> Iterator[tuple[int, str]]:
    """Line and module of every import, wherever it stands.

    Relative ones are resolved against `module`; a name that is a module itself counts as that.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.rsplit(".", node.level)[0]
                base = f"{above}.{base}" if base else above
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield node.lineno, full if full in FILES else base


def lazily_named(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Modules of ours that stand in strings, as tables for lazy imports name them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            file = FILES.get(node.value)
            if file is not None and file.name != "__init__.py":  # a package's data is read so
                yield node.lineno, node.value


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


def arrows() -> Iterator[tuple[Path, int, str, Path]]:
    """Every import of ours by ours: file, line, module, the file that it reaches."""
    for module, path in FILES.items():
        if module == "metasynth":
            continue  # the public face: it names everything, lazily, and nothing imports it
        tree = tree_of(path)
        inside = module if path.name != "__init__.py" else f"{module}.__init__"
        for line, reached in (*imports(tree, inside), *lazily_named(tree)):
            if reached in FILES and FILES[reached] != path:
                yield path, line, reached, FILES[reached]


def cyclic(edges: Mapping[str, set[str]]) -> list[str]:
    """The packages of one cycle; empty where there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_room_imports_only_what_the_table_allows() -> None:
    broken = [
        f"{name_of(path)}:{line} imports {module}"
        for path, line, module, reached in arrows()
        if room_of(reached) not in {room_of(path), *MAY_IMPORT[room_of(path)]}
        and reached != CORE / "__init__.py"
        and room_of(reached) not in EXCEPTIONS.get(name_of(path), set())
    ]
    assert not broken, "\n".join(broken)


def test_no_packages_import_each_other_around_any_corner() -> None:
    edges = defaultdict(set)
    for path, _, _, reached in arrows():
        if reached != CORE / "__init__.py" and package_of(path) != package_of(reached):
            edges[package_of(path)].add(package_of(reached))
    assert not cyclic(edges), " imports ".join(cyclic(edges))


def test_a_cycle_of_three_is_seen() -> None:
    assert cyclic({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not cyclic({"a": {"b", "c"}, "b": {"c"}})


def test_no_folder_holds_too_many_modules() -> None:
    inside = Counter(path.parent for path in sources() if path.name != "__init__.py")
    inside.update(path.parent for path in (ROOT / "tests").rglob("*.py"))
    assert {name_of(folder): n for folder, n in inside.items() if n > MOST_MODULES} == {}


def test_compose_composes_and_nothing_else() -> None:
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in sources("compose"))
    assert lines < MOST_LINES_OF_COMPOSE


def test_a_folder_is_never_imported_by_its_bare_name() -> None:
    bare = {*FOLDERS, *ABOVE_CORE, "src"}
    broken = [
        f"{name_of(path)}:{line} imports {module}"
        for path in sources()
        for line, module in imports(tree_of(path), module_of(path))
        if module.split(".")[0] in bare
    ]
    assert not broken, "\n".join(broken)


def test_relative_imports_stay_in_their_folder() -> None:
    broken = [
        f"{name_of(path)}:{node.lineno}: write metasynth. and the whole path"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.level > 1
    ]
    assert not broken, "\n".join(broken)


def test_a_package_says_what_it_holds_and_hands_nothing_on() -> None:
    """So a name stands in one place: where it is defined."""
    for path in sources():
        if path.name == "__init__.py" and path != CORE / "__init__.py":
            tree = tree_of(path)
            assert ast.get_docstring(tree), name_of(path)
            assert len(tree.body) == 1, name_of(path)


def test_the_libraries_import_no_framework_of_agents() -> None:
    broken = [
        f"{name_of(path)}:{line} imports {module}"
        for path in sources("core", "softsrv", "student", "eval")
        for line, module in imports(tree_of(path), module_of(path))
        if module.split(".")[0] in ("langgraph", "chromadb", "openai", "langchain_openai")
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_of_the_top_lies_in_the_package_too(folder: str) -> None:
    assert (CORE / folder).resolve() == ROOT / folder
    assert (ROOT / folder / "py.typed").exists()


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
    "module",
    [
        "agents.models.provider",
        "agents.roles.book",
        "cli.main",
        "config.file",
        "domains.checkers",
        "lm.load",
        "records.record",
        "records.seeds",
        "text.words",
    ],
)
def test_importing_a_module_loads_no_slow_library(module: str) -> None:
    code = f"import sys, metasynth.{module}; print(*sys.modules)"
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
        for line, module in imports(tree_of(path), module_of(path))
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


def test_the_checks_find_what_they_are_for() -> None:
    tree = ast.parse("import agents\nfrom .x import y\ndef f():\n    import torch\n")
    assert [module for _, module in imports(tree, "metasynth.a.b")] == [
        "agents",
        "metasynth.a.x",
        "torch",
    ]
    assert not any(
        isinstance(n, ast.Import) and n.names[0].name == "torch" for n in at_import(tree)
    )
    calls = "eval('1')", "yaml.load(x)", "torch.load(x)", "run(x, shell=True)"
    assert all(risk(ast.parse(call, mode="eval").body) for call in calls)  # type: ignore[arg-type]
    assert risk(ast.parse("model.eval()", mode="eval").body) is None  # type: ignore[arg-type]
