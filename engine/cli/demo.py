"""`provisioner demo`: the main job from beginning to end, for real, on a local cloud of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.arguments import pass_invocation
from engine.cli.bootstrap import print_steps
from engine.cli.console import print_facts, print_table
from engine.cli.invocation import Invocation
from engine.cli.progress import Lines
from engine.cli.reviews import show_review
from engine.cli.terminal import styled
from engine.errors import EngineError, NotBootstrapped

if TYPE_CHECKING:
    from engine.model.spec import ProjectSpec
    from engine.operations.bootstrap import Bootstrapped
    from engine.operations.engine import Engine
    from engine.operations.release import Released
    from engine.review.model import Review

_LUSTRE = "vlab_id: neuro\nproject_id: cortex\ntier: debug\nstorage: {kind: lustre}\nowner: ada@example.org\n"
_EFS = "vlab_id: neuro\nproject_id: spine\ntier: debug\nstorage: {kind: efs}\nowner: ada@example.org\n"
_LARGER = _EFS + "compute: {max_nodes: 16}\n"
_POLL_S = 0.3
_RESULT = ("project/private/results/spikes.txt", b"a night of simulation\n")


@dataclass
class Story:
    """The demo's own clock and chapter counter."""

    started: float
    chapter: int = 0

    def tell(self, title: str, command: str = "") -> None:
        self.chapter += 1
        took = f"{time.monotonic() - self.started:5.0f} s"
        click.echo()
        click.echo(styled(f"{self.chapter}. {title}", bold=True), nl=False)
        click.echo(styled(f"  ({took.strip()})", dim=True))
        if command:
            click.echo(styled(f"   $ {command}", fg="cyan"))


@click.command(short_help="Watch the main job run for real on a local cloud.")
@pass_invocation
def demo(invocation: Invocation) -> None:
    """Bootstrap, plan, apply, update and release two projects on a local cloud, then show their data.

    Runs real Terraform with the real AWS provider. Needs no account, changes none, leaves nothing
    running; its workspaces and plan reports stay to be looked at.

    \b
    Example:
      provisioner demo
    """
    folder = invocation.home / "demo"
    story = Story(time.monotonic())
    with _local_cloud(invocation, folder, story) as engine:
        _tell(engine, story)
    click.echo()
    click.echo(styled("Done.", bold=True), nl=False)
    click.echo(f" {time.monotonic() - story.started:.0f} s. Everything is stopped; nothing is left running.")
    workspaces = sorted((folder / "workspaces").iterdir())
    print_facts(
        [
            ("Two projects", "planned, reviewed, applied side by side"),
            ("One update", "a larger queue, in place, the cluster kept"),
            ("One release", "Lustre exported, the cluster gone, bucket and home still there"),
            *(("Workspace", f"{path}  (main.tf.json, cluster-config.yaml)") for path in workspaces),
            *(("Plan report", path / "plan.txt") for path in workspaces),
            ("Terraform logs", folder / "logs"),
        ]
    )


def _tell(engine: Engine, story: Story) -> None:
    from engine.model.spec import load_spec
    from engine.operations.provision import carry_out, plan

    lustre, efs, larger = (load_spec(text, source="demo") for text in (_LUSTRE, _EFS, _LARGER))

    lock = threading.Lock()
    engines = [engine.reporting_to(Lines(spec.project, lock)) for spec in (lustre, efs)]

    story.tell("The backend: state bucket, tables, key, image repository", "provisioner bootstrap")
    with _bootstrap_beside(engine) as backend:
        story.tell("Two specs become plans that a person reviews", "provisioner plan cortex.yaml")
        click.echo(styled("".join(f"   {line}\n" for line in _LUSTRE.splitlines()), dim=True))
        plans = _side_by_side(engine, lambda: plan(engines[0], lustre), lambda: plan(engines[1], efs))
        show_review(plans[0].review)
        click.echo(f"   {efs.project}, without Lustre, is planned too: {plans[1].folder / 'plan.txt'}")

        story.tell("Both applied side by side, exactly as planned", "provisioner apply …")
        _side_by_side(
            engine,
            lambda: carry_out(engines[0], plans[0], approve=_agree),
            lambda: carry_out(engines[1], plans[1], approve=_agree),
        )
        story.tell("The backend is whole by now, and its own state lies in its bucket")
        print_steps(backend.result().steps)
    _show_list(engine, story)

    story.tell("A job writes results to Lustre")
    _write_result(engine, lustre)

    story.tell("spine gets a larger queue: 8 nodes become 16", "provisioner plan spine-larger.yaml")
    update = plan(engines[1], larger)
    show_review(update.review)

    story.tell(
        "Side by side: spine is changed in place, cortex is given back",
        "provisioner apply spine-larger.yaml; provisioner release neuro/cortex",
    )
    before = _cluster_made_at(engine, efs)
    released: Released = _side_by_side(
        engine, lambda: _release(engines[0], lustre), lambda: carry_out(engines[1], update, approve=_agree)
    )[0]
    if _cluster_made_at(engine, efs) != before:
        raise EngineError("The demo's update replaced the cluster; it must change it in place.")
    click.echo(f"   {efs.project}: the same cluster, changed in place")
    _show_what_is_kept(engine, lustre, released)
    _show_list(engine, story)


@contextmanager
def _bootstrap_beside(engine: Engine) -> Iterator[Future[Bootstrapped]]:
    """Bootstrap for real, beside the block, which begins as soon as bucket and tables are there.

    The AWS provider watches the lifecycle rules of a new bucket for most of a minute, and no project needs
    to wait for those.
    """
    from engine.operations.bootstrap import bootstrap

    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(bootstrap, engine, approve=_agree)
        try:
            _await_backend(engine, made)
            click.echo("   Bucket and tables are there; the rest follows while projects are planned.")
            yield made
        except BaseException:
            engine.interrupt()
            raise


def _await_backend(engine: Engine, made: Future[Bootstrapped]) -> None:
    from engine.operations.planning import check_backend

    while not made.done():
        with suppress(NotBootstrapped):
            check_backend(engine)
            return
        time.sleep(_POLL_S)
    made.result()


def _agree(_review: Review) -> None:
    """In the demo nobody is asked."""


def _side_by_side(engine: Engine, *tasks: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(tasks)) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            # Ctrl-C reaches this thread only; each Terraform is asked to stop, and waited for.
            engine.interrupt()
            raise


def _show_list(engine: Engine, story: Story) -> None:
    from engine.operations.status import list_projects, project_status

    story.tell("What the registry and AWS say", "provisioner list")
    rows = []
    for one in list_projects(engine):
        full = project_status(engine, one.record.vlab_id, one.record.project_id)
        rows.append(
            [
                one.record.project,
                str(one.record.phase),
                one.storage or "?",
                one.cluster_status or "-",
                full.cluster.head_node_private_ip or "-",
                full.lustre or "-",
            ]
        )
    print_table(["project", "phase", "storage", "cluster", "head node", "lustre"], rows, empty="")


def _cluster_made_at(engine: Engine, spec: ProjectSpec) -> object:
    from engine.aws.clusters import describe_cluster

    names = engine.names_of(spec)
    return describe_cluster(engine.cloud, cluster_name=names.cluster, stack_name=names.stack).created_at


def _write_result(engine: Engine, spec: ProjectSpec) -> None:
    from engine.aws.filesystems import find_lustre
    from engine.local.control import write_to_lustre

    path, content = _RESULT
    lustre = find_lustre(engine.cloud, name=engine.names_of(spec).lustre)
    if lustre is None:
        raise EngineError(f"{spec.project} has no Lustre file system, although it was applied.")
    write_to_lustre(engine.settings.endpoint_url or "", lustre.id, path, content)
    click.echo(f"   /data/{path}: {content.decode().strip()!r}")


def _release(engine: Engine, spec: ProjectSpec) -> Released:
    from engine.operations.release import release

    return release(engine, spec.vlab_id, spec.project_id, approve=_agree)


def _show_what_is_kept(engine: Engine, spec: ProjectSpec, released: Released) -> None:
    from engine.aws.buckets import find_object
    from engine.aws.filesystems import find_efs

    names = released.planned.names
    path, content = _RESULT
    key = path.removeprefix("project/")
    found = find_object(engine.cloud, names.bucket, key)
    home = find_efs(engine.cloud, name=names.efs)
    if found != content or home is None:
        raise EngineError(f"The data of {spec.project} is not where it should be after the release.")
    click.echo(f"   {spec.project}: released; the plan is in {released.planned.folder / 'plan.txt'}")
    click.echo(f"   Bucket s3://{names.bucket}/{key}: {content.decode().strip()!r}")
    click.echo(f"   Home {home.id}: {home.lifecycle}")


@contextmanager
def _local_cloud(invocation: Invocation, folder: Path, story: Story) -> Iterator[Engine]:
    from engine.local import control
    from engine.local.durations import Durations
    from engine.operations.engine import open_engine
    from engine.operations.folders import remove_workspace
    from engine.operations.reporting import Silent
    from engine.terraform.toolchain import prepare

    tools = prepare(invocation.home, explicit=invocation.settings.terraform, environ=invocation.environ)
    story.tell("A local cloud: moto's server, FSx for Lustre, ParallelCluster", "provisioner local up")
    control.down(folder)
    for made_before in ("workspaces", "bootstrap"):
        remove_workspace(folder / made_before)
    try:
        control.up(folder, durations=Durations(cluster_create_s=4, cluster_update_s=3, cluster_delete_s=2))
        endpoint = control.environment(control.status(folder))["AWS_ENDPOINT_URL"]
        click.echo(f"   {endpoint}, on this machine only")
        yield open_engine(
            invocation.settings.model_copy(
                update={
                    "cloud": "local",
                    "endpoint_url": endpoint,
                    "terraform": str(tools.binary),
                    "home": ".",
                    "workspaces_dir": "workspaces",
                }
            ),
            base=folder,
            environ=invocation.environ,
            reporter=Silent(),
        )
    finally:
        control.down(folder)
