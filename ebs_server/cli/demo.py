"""``ebs demo`` and ``ebs simulator``: trying EBS without any access server."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from ebs_core.domain.errors import InputError
from ebs_server.cli.common import DONE, NAS_FAILED
from ebs_server.demo import Demo
from nas_simulator import run_forever


@click.command()
@click.option("--subscribers", default=300, show_default=True, type=click.IntRange(20, 20_000), help="How many to import.")
@click.option("--keep", metavar="FOLDER", type=click.Path(path_type=Path), help="Keep the demo's database and site file here.")
def demo(subscribers: int, keep: Path | None) -> int:
    """Import a sample site, apply it to simulated MikroTiks, change it; then break them under the background job, and watch.

    Exit status 1 if at the end anything on them is not as the accounts demand.
    """
    if keep is not None:
        if keep.exists() and any(keep.iterdir()):
            raise InputError(f"{keep} is not empty", remedy="name a new folder")
        keep.mkdir(parents=True, exist_ok=True)
        return DONE if Demo(keep, subscribers).run() else NAS_FAILED
    with tempfile.TemporaryDirectory(prefix="ebs-demo-") as folder:
        return DONE if Demo(Path(folder), subscribers).run() else NAS_FAILED


@click.command()
@click.option("--name", default="nas1", show_default=True, help="Name of the (first) NAS.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 500), help="How many NASes.")
@click.option("--login", default="ebs", show_default=True)
@click.option("--password", default="secret", show_default=True)
@click.option("--version", default="7.16.2", show_default=True, help="RouterOS to behave like; before 6.43 logins differ.")
@click.option("--api-port", default=0, show_default="free", type=click.IntRange(0, 65535))
@click.option("--ssh-port", default=0, show_default="free", type=click.IntRange(0, 65535))
@click.option("--latency", default=0.0, show_default=True, help="Seconds added to each reply.")
def simulator(
    name: str, count: int, login: str, password: str, version: str, api_port: int, ssh_port: int, latency: float
) -> int:
    """Run simulated MikroTiks (RouterOS API and SSH) on this machine until Ctrl-C: for trying templates."""
    try:
        run_forever(
            name=name,
            count=count,
            login=login,
            password=password,
            version=version,
            api_port=api_port,
            ssh_port=ssh_port,
            latency=latency,
            announce=lambda line: click.echo(line),
        )
    except OSError as error:
        raise InputError(f"a port cannot be opened: {error.strerror}", remedy="choose other ports, or 0 for free ones") from error
    return DONE
