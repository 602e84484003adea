#!/usr/bin/env python3
"""Holds the source tree to rules that a compiler does not see: tidy.py [ROOT]

Each finding is a line "file:line: what is wrong"; the exit code tells whether there was one. Formatting is
not looked at (make format).
"""

import os
import re
import sys

SKIPPED = {"build", ".git", "corpus"}  # corpus: bytes that fuzzing found
TEXT = re.compile(r"\.(cc|h|py|sh|md|txt|cmake|conf|case|build|test)$|/(Makefile|LAYERS|run|install)$")

IN_CODE = re.compile(r"\.(cc|h)$")
IN_SRC = re.compile(r"^src/.*\.(cc|h)$")
TEST_CODE = re.compile(r"_test\.cc$|/testing\.h$")
IN_TESTS = re.compile(r"^tests/|_test\.cc$")
ANYWHERE = re.compile(r"")
# Where, what, and what to write instead.
BANNED = [
    (ANYWHERE, r"\b(TODO|FIXME|XXX)\b", "do it now, or open an issue"),
    (IN_CODE, r"\busing namespace std;", "name what is used"),
    (IN_CODE, r"\bv?sprintf\s*\(", "fmt::format"),
    (IN_CODE, r"\bstr(cpy|cat)\s*\(", "std::string"),
    (IN_SRC, r"\b(atoi|atol|strtol)\s*\(", "ParseInteger of base/numbers.h"),
    (IN_CODE, r"\bs?rand\s*\(", "a generator of <random> with a seed that is printed"),
    (IN_CODE, r"\bstd::endl\b", "'\\n'"),
    (IN_CODE, r"\bNULL\b(?!\")", "nullptr"),
    (IN_TESTS, r"\b(u|nano)?sleep(_for|_until)?\s*\(", "wait for the condition itself"),
]
BANNED = [(where, re.compile(what), instead) for where, what, instead in BANNED]
# Folders whose files are in a strict order, too.
WITHOUT_CIRCLES = ["src/broker/", "src/cold/"]
INCLUDE = re.compile(r'\s*#\s*include\s+(["<])([^">]+)[">]')


def read_layers(text):
    """The rank of each folder: that of its line. Comments and empty lines do not count."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {folder: rank for rank, folders in enumerate(lines) for folder in folders}


def layer_of(path, layers):
    """The folder of LAYERS that holds this file, the innermost if several do; None if none does."""
    folder = os.path.dirname(path)
    while folder and folder not in layers:
        folder = os.path.dirname(folder)
    return folder or None


def check_include(path, mark, target, layers):
    """What is wrong with this file's include of that one, or None."""
    if target == "uv.h" and not path.startswith("src/env/uv/"):
        return "only src/env/uv includes uv.h"
    if mark == "<" and target.split("/")[0] in layers:
        return f"{target} is ours: include it in quotes"
    if target.startswith("."):
        return "includes name the full path from src/ or from the root"
    if not path.startswith("src/") or mark == "<":
        return None
    if target.split("/")[0] == "tests":
        return "src/ does not know tests/"
    # Tests of a folder may use all of it, with its subfolders.
    whole = TEST_CODE.search(path) and path.split("/")[1] == target.split("/")[0]
    if whole:
        return None
    here, there = layer_of(path[len("src/"):], layers), layer_of(target, layers)
    if here is None:
        return f"src/LAYERS does not name {path.split('/')[1]}"
    if there is not None and there != here and layers[there] >= layers[here]:
        return f"{here} must not include {there}: see src/LAYERS"
    return None


def check(path, text, layers):
    """All findings about one file, as pairs of line number and message."""
    findings = []
    if text and not text.endswith("\n"):
        findings.append((text.count("\n") + 1, "the last line has no end"))
    if path.endswith(".h") and "#pragma once\n" not in text:
        findings.append((1, "a header begins with #pragma once"))
    in_code = IN_CODE.search(path) is not None
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            findings.append((number, "blanks at the end of the line"))
        if in_code and "\t" in line:
            findings.append((number, "a tab"))
        if path != "tests/tidy/tidy.py":
            for where, what, instead in BANNED:
                found = what.search(line) if where.search(path) else None
                if found:
                    findings.append((number, f"'{found.group(0)}': rather {instead}"))
        include = INCLUDE.match(line) if in_code else None
        wrong = include and check_include(path, include.group(1), include.group(2), layers)
        if wrong:
            findings.append((number, wrong))
    return findings


def find_unused_headers(texts):
    """Headers under src/ that no file includes."""
    included = {
        match.group(2)
        for path, text in texts.items() if IN_CODE.search(path)
        for match in map(INCLUDE.match, text.splitlines()) if match
    }
    return [
        path for path in texts
        if path.startswith("src/") and path.endswith(".h") and path[len("src/"):] not in included
    ]


def find_late_headers(texts):
    """Sources under src/ whose own header is not the first that they include: then the compiler does
    not see whether that header compiles alone."""
    late = []
    for path, text in texts.items():
        own = path[len("src/"):-len(".cc")] + ".h"
        if not path.startswith("src/") or not path.endswith(".cc") or f"src/{own}" not in texts:
            continue
        found = filter(None, map(INCLUDE.match, text.splitlines()))
        if next((match.group(2) for match in found), None) != own:
            late.append(path)
    return late


def find_circles(texts, folder):
    """Sources of the folder that include each other in a circle. A header and the source file of the
    same name are one; tests do not count."""
    includes = {}
    for path, text in texts.items():
        if IN_SRC.search(path) and path.startswith(folder) and not TEST_CODE.search(path):
            unit = path[len("src/"):].rsplit(".", 1)[0]
            found = (INCLUDE.match(line) for line in text.splitlines())
            names = {match.group(2).rsplit(".", 1)[0] for match in found if match}
            includes.setdefault(unit, set()).update(names - {unit})
    # What includes nothing that is left cannot be in a circle.
    while True:
        free = {unit for unit, names in includes.items() if not names & includes.keys()}
        if not free:
            return sorted(includes)
        for unit in free:
            del includes[unit]


def read_tree(root):
    texts = {}
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in SKIPPED]
        for name in files:
            path = os.path.relpath(os.path.join(directory, name), root)
            if TEXT.search("/" + path):
                with open(os.path.join(root, path), encoding="utf-8", newline="") as file:
                    texts[path] = file.read()
    return texts


def check_the_checks():
    """Each rule finds what it is there for. A rule that matches nothing would never be missed."""
    layers = read_layers("# low to high\nbase\nenv\nresp data\ndata/parts\n\nserver\n")
    assert layers == {"base": 0, "env": 1, "resp": 2, "data": 2, "data/parts": 3, "server": 4}
    pragma = "#pragma once\n"
    cases = [
        ("src/data/a.cc", '#include "base/a.h"\n', None),
        ("src/data/a.cc", '#include "data/b.h"\n', None),
        ("src/data/a.cc", "#include <vector>\n", None),
        ("src/data/a.cc", '#include "resp/a.h"\n', "data must not include resp"),
        ("src/data/a.cc", '  # include "server/a.h"\n', "data must not include server"),
        ("src/data/a.cc", '#include "tests/a.h"\n', "does not know tests"),
        ("src/data/a.cc", '#include "data/parts/a.h"\n', "data must not include data/parts"),
        ("src/data/a_test.cc", '#include "data/parts/a.h"\n', None),
        ("src/data/parts/a.cc", '#include "data/a.h"\n', None),
        ("src/data/parts/more/a.cc", '#include "data/parts/a.h"\n', None),
        ("src/data/parts/a.cc", '#include "server/a.h"\n', "must not include server"),
        ("src/data/a.cc", '#include "../base/a.h"\n', "full path"),
        ("src/data/a.cc", "#include <base/a.h>\n", "in quotes"),
        ("src/stray/a.cc", '#include "base/a.h"\n', "does not name stray"),
        ("src/env/uv/loop.cc", "#include <uv.h>\n", None),
        ("src/env/loop.cc", "#include <uv.h>\n", "only src/env/uv"),
        ("utils/bench.cc", "#include <uv.h>\n", "only src/env/uv"),
        ("tests/a_test.cc", '#include "server/a.h"\n', None),
        ("src/base/a.h", pragma, None),
        ("src/base/a.h", "int a;\n", "#pragma once"),
        ("src/base/a.cc", "int a; \n", "blanks at the end"),
        ("src/base/a.cc", "int a;\r\n", "blanks at the end"),
        ("src/base/a.cc", "\tint a;\n", "a tab"),
        ("Makefile", "all:\n\techo\n", None),
        ("README.md", "text", "no end"),
        ("README.md", "TO" + "DO: write\n", "do it now"),
        ("src/base/a.cc", "// XX" + "X\n", "do it now"),
        ("src/base/a.cc", 'mkdtemp("a.XXXXXX");\n', None),
        ("src/base/a.cc", "using namespace std;\n", "name what is used"),
        ("src/base/a.cc", "sprintf(a, b);\n", "fmt::format"),
        ("src/base/a.cc", "std::snprintf(a, n, b);\n", None),
        ("src/base/a.cc", "strcpy (a, b);\n", "std::string"),
        ("src/base/a.cc", "using namespace std::string_literals;\n", None),
        ("src/base/a.cc", "atoi(a);\n", "ParseInteger"),
        ("src/base/a.cc", "int r = rand();\n", "<random>"),
        ("src/base/a.cc", "operand(1);\n", None),
        ("src/base/a.cc", "out << std::endl;\n", "'\\n'"),
        ("src/base/a.cc", "int* a = NULL;\n", "nullptr"),
        ("src/base/a.cc", "usleep(1);\n", None),
        ("src/base/a_test.cc", "std::this_thread::sleep_for(1s);\n", "condition"),
        ("tests/process/a.cc", "sleep(1);\n", "condition"),
    ]
    for path, text, expected in cases:
        findings = [message for _, message in check(path, text, layers)]
        good = (len(findings) == 1 and expected in findings[0]) if expected else not findings
        assert good, f"{path}: {text!r}: expected {expected}, found {findings}"
    texts = {"src/a/x.h": pragma, "src/a/y.h": pragma, "src/a/y.cc": '#include "a/y.h"\n'}
    assert find_unused_headers(texts) == ["src/a/x.h"]
    assert not find_late_headers(texts)
    texts["src/a/y.cc"] = '#include <vector>\n\n#include "a/y.h"\n'
    assert find_late_headers(texts) == ["src/a/y.cc"]
    texts = {"src/a/x.h": '#include "a/y.h"\n', "src/a/y.h": "", "src/a/z.h": '#include "a/x.h"\n'}
    assert not find_circles(texts, "src/a/")
    texts["src/a/y.cc"] = '#include "a/x.h"\n'
    assert find_circles(texts, "src/a/") == ["a/x", "a/y", "a/z"]


def main():
    check_the_checks()
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    texts = read_tree(sys.argv[1] if len(sys.argv) > 1 else default)
    layers = read_layers(texts["src/LAYERS"])
    findings = [
        f"{path}:{number}: {message}"
        for path in sorted(texts) for number, message in check(path, texts[path], layers)
    ]
    findings += [f"{path}:1: nobody includes this header" for path in find_unused_headers(texts)]
    findings += [f"{path}:1: its own header is not included first" for path in find_late_headers(texts)]
    for folder in WITHOUT_CIRCLES:
        circle = find_circles(texts, folder)
        if circle:
            findings.append(f"{folder}:1: these, or some of them, include each other: {circle}")
    print("\n".join(findings + [f"{len(texts)} files, {len(findings)} findings"]))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
