"""The documentation names only files, commands and packages that exist."""

import ast
import re
from pathlib import Path

import pytest
import yaml

PROJECT_ROOT = Path(__file__).parents[1]
LIBRARY = PROJECT_ROOT / "workflow" / "scripts" / "eaves"
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "config/*.md")
    for path in PROJECT_ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # names what has gone, too
)
PACKAGES = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
# Paths that begin with one of these folders or are one of these files belong to the repository.
TRACKED = re.compile(
    r"(?<![\w/.<>-])((?:workflow|docs|tests|benchmarks|envs|profiles|eaves|\.ci|\.github)/[\w./-]*\w|"
    r"config\.yaml|dvc\.yaml|pyproject\.toml|Makefile|Snakefile)"
)

FILE_ENDINGS = {"py", "csv"}  # e.g. score.py is a script, not a setting


def ids(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_relative_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} does not exist"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), f"{target}: no such heading"


def test_readme_links_every_page():
    readme = (PROJECT_ROOT / "README.md").read_text()
    missing = [
        page.name for page in PAGES if page.parent == PROJECT_ROOT / "docs" and f"](docs/{page.name})" not in readme
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_paths_exist(page):
    for name in TRACKED.findall(page.read_text()):
        inside = PROJECT_ROOT / "workflow" / "scripts" if name.startswith("eaves/") else PROJECT_ROOT
        assert (inside / name).exists(), f"{name} does not exist"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT_ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert named <= targets, f"no such targets: {sorted(named - targets)}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_options_of_scripts_exist(page):
    text = page.read_text().replace("\\\n", " ")
    for script, rest in re.findall(r"(workflow/scripts/\w+\.py)([^\n`#]*)", text):
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            source = (PROJECT_ROOT / script).read_text()
            assert f'"{option}"' in source or option == "--help", f"{script} has no option {option}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_settings_exist(page):
    config = yaml.safe_load((PROJECT_ROOT / "config.yaml").read_text())
    for name, block, key in re.findall(r"`((\w+)\.(\w+))(?=[`:= ])", page.read_text()):
        if isinstance(config.get(block), dict):
            assert key in config[block] or key in FILE_ENDINGS, f"config.yaml has no {name}"


def imports() -> dict[str, set[str]]:
    """The packages of the library that each of them imports."""
    found: dict[str, set[str]] = {package: set() for package in PACKAGES}
    for path in LIBRARY.glob("*/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            found[path.relative_to(LIBRARY).parts[0]] |= {
                name.split(".")[1] for name in names if name.startswith("eaves.")
            }
    return {package: (names & PACKAGES) - {package} for package, names in found.items()}


def test_packages_import_what_the_design_says():
    text = (PROJECT_ROOT / "docs" / "design.md").read_text().partition("## Packages")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", text, re.MULTILINE))
    named = {package: set(re.findall(r"\w+", names)) - {"towns"} for package, names in rows.items()}
    assert named == imports()


def test_packages_import_only_from_the_layers_above():
    text = (PROJECT_ROOT / "CONTRIBUTING.md").read_text().partition("## Layout")[2].partition("\n## ")[0]
    layers = [line.split() for line in re.search(r"```\n(.*?)```", text, re.DOTALL)[1].splitlines()]
    assert sorted(package for layer in layers for package in layer) == sorted(PACKAGES)
    above: set[str] = set()
    for layer in layers:
        for package in layer:
            assert imports()[package] <= above, f"{package} imports from its own layer or from below"
        above |= set(layer)
