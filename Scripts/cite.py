#!/usr/bin/python3
"""Moves the line numbers of citations in the documents after the code has moved: Scripts/cite.py, from anywhere.

A citation is `path/File.cs:LINE` `word`. Where the word no longer stands in the line, the nearest line that has it
is taken; look at the result (git diff) before you commit it. tests/Unit/Docs fails while a citation is wrong.
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
citation = re.compile(r"`([\w./-]+\.cs):(\d+)` `([^`]+)`")
lost = []


def move(match):
    path, number, word = match[1], int(match[2]), match[3]
    lines = (root / path).read_text(encoding="utf-8-sig").splitlines() if (root / path).is_file() else []
    whole = re.compile(r"(?<!\w)" + re.escape(word) + r"(?!\w)")
    found = [i for i, line in enumerate(lines, 1) if whole.search(line) and not line.lstrip().startswith("//")]
    if not found:
        lost.append(f"{path}: '{word}' stands nowhere in it")
        return match[0]
    return f"`{path}:{min(found, key=lambda i: abs(i - number))}` `{word}`"


for document in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
    text = document.read_text(encoding="utf-8")
    moved = citation.sub(move, text)
    if moved != text:
        document.write_text(moved, encoding="utf-8")
        print(f"{document.relative_to(root)}: line numbers moved")
sys.exit("\n".join(lost) or 0)
