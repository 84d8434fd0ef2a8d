# SPDX-License-Identifier: ISC
"""Manual pages, help texts and completion say what there is."""

import ctypes
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, run

PAGES = ["subuid.1", "subuidd.8", "subuidd.conf.5", "subuid-rrsync.1", "pam_subuid.8", "libnss_subuid.8"]


@pytest.mark.parametrize("page", sorted({path.name for path in (ROOT / "man").iterdir()} | set(PAGES)))
def test_every_page_is_there_and_sound(page):
    result = run("mandoc", "-Tlint", "-Wwarning", ROOT / "man" / page, check=False)
    assert result.returncode == 0, result.stdout
    text = run("mandoc", "-Tutf8", ROOT / "man" / page).stdout
    assert len(text.splitlines()) > 40


def commands(host):
    text = host.subuid("help").stdout
    return sorted(set(re.findall(r"^  +([a-z]+)(?: |$)", text, re.M)) - {"subuid"})


def test_every_command_has_help_a_place_in_the_manual_and_in_completion(host):
    names = commands(host)
    assert {"add", "list", "show", "lock", "unlock", "remove", "key", "limit", "setup", "doctor", "check", "audit"} <= set(names)
    manual = (ROOT / "man/subuid.1").read_text()
    completion = (ROOT / "cli/subuid.bash").read_text()
    for name in names:
        own = host.subuid("help", name).stdout
        assert f"subuid {name}" in own, name
        assert host.subuid(name, "--help").stdout == own
        assert re.search(rf"\b{name}\b", manual), name
        assert re.search(rf"\b{name}\b", completion), name


def test_completion_completes(host):
    owner = host.new_user()
    host.subuid("add", "finding", user=owner)
    script = """
source /usr/share/bash-completion/completions/subuid
COMP_WORDS=(subuid %s); COMP_CWORD=%d; COMP_LINE="subuid %s"; COMP_POINT=${#COMP_LINE}
function=$(complete -p subuid | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function subuid "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%%s\\n' "${COMPREPLY[@]}"
"""

    def complete(*words):
        text = script % (" ".join(f"'{word}'" for word in words), len(words), " ".join(words))
        return subprocess.run(["runuser", "-u", owner, "--", "bash", "-c", text], capture_output=True, text=True,
                              check=True).stdout.split()

    assert "lock" in complete("lo")
    assert any(word.startswith("--ro") for word in complete("add", "x", "--ro"))
    assert "finding" in complete("show", "fin")


def test_every_setting_of_the_shipped_file_is_in_the_manual(host):
    shipped = Path("/usr/lib/subuidd.conf").read_text()
    manual = (ROOT / "man/subuidd.conf.5").read_text()
    keys = re.findall(r"^#? ?([a-z_]+) *=", shipped, re.M)
    assert len(keys) > 8
    for key in keys:
        assert key in manual, key


def landlock_lacks(tmp_path):
    """ABI -> the words of `subuid doctor` for what a kernel of it lacks, up to the first that lacks nothing."""
    library = tmp_path / "landlock.so"
    run("cc", "-shared", "-fPIC", "-D_GNU_SOURCE", f"-I{ROOT}", "-o", library, ROOT / "confine/landlock.c")
    missing = ctypes.CDLL(library).landlock_missing
    missing.restype = ctypes.c_char_p
    lacks = {}
    while not lacks or lacks[len(lacks)]:
        lacks[len(lacks) + 1] = set(filter(None, re.split("[,;] ", missing(len(lacks) + 1).decode())))
    return lacks


def test_the_table_of_old_kernels_says_what_the_code_lacks(tmp_path):
    """A row names what the next ABI brings: all that its kernels lack and those of the next row do not."""
    lacks = landlock_lacks(tmp_path)
    section = (ROOT / "SECURITY.md").read_text().split("### What an old kernel lacks")[1].split("\n#")[0]
    rows = re.findall(r"^\| ([\d, ]+) \| [\d., ]+ \| (.+?) \| .+ \|$", section, re.M)
    abis = [[int(abi) for abi in row.split(",")] for row, _ in rows]
    assert sum(abis, []) == list(lacks)[:-1], "a row for each ABI that lacks something, and for no other"
    assert all(lacks[abi] >= lacks[abi + 1] for abi in list(lacks)[:-1]), "what a kernel lacks, older ones lack, too"
    for row, (_, named) in zip(abis, rows):
        assert all(lacks[abi] == lacks[row[0]] for abi in row), row
        assert set(named.split(", ")) == lacks[row[-1]] - lacks[row[-1] + 1], row
    assert f"from ABI {len(lacks)} " in section


def test_every_test_that_the_invariants_name_is_there():
    text = (ROOT / "docs/invariants.md").read_text()
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", text, re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 19))
    assert all("::" in tests or tests == "not built" for _, tests in rows)
    named = re.findall(r"`(test_\w+\.(?:c|py))::(\w+)`", text)
    assert len(named) > 40 and len(re.findall(r"::", text)) == len(named)
    for file, name in named:
        place, function = ("unit", f"static void {name}(") if file.endswith(".c") else ("e2e", f"def {name}(")
        assert function in (ROOT / "tests" / place / file).read_text(), f"{file}::{name}"


def test_the_invariants_name_every_test_that_is_named_after_one():
    text = (ROOT / "docs/invariants.md").read_text()
    named = re.findall(r"def (test_invariant_\w+)", (ROOT / "tests/e2e/test_invariants.py").read_text())
    assert len(named) > 15 and [name for name in named if name not in text] == []
