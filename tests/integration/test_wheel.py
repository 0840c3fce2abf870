"""A wheel, installed elsewhere, runs the demo: migrations and action templates travel with it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = """
import sys
import ebs_core, action_templates
assert ebs_core.__file__.startswith(sys.argv[1]), ebs_core.__file__
from ebs_server.cli.main import main
main(["demo", "--subscribers", "30"])
"""


def test_the_wheel_runs_the_demo(tmp_path: Path) -> None:
    source, wheels, target = tmp_path / "source", tmp_path / "wheels", tmp_path / "target"
    tracked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(tracked, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:  # a clean copy: building must not leave anything in the checkout
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_bytes((ROOT / name).read_bytes())
    else:
        source = ROOT
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", wheels, source], check=True, capture_output=True)
    (wheel,) = wheels.glob("ebs-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "action_templates/linux/bootstrap.j2" in names
    assert any(name.startswith("migrations/versions/") for name in names)
    assert not any(name.startswith(("tests/", "docs/")) for name in names)
    subprocess.run([*pip, "install", "--no-deps", "--target", target, wheel], check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(target)],
        env={**os.environ, "PYTHONPATH": str(target)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "every subscriber is as his account demands"
