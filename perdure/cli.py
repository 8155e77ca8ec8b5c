"""The command `perdure`. Everything but click is imported when a command runs, so that `--help` answers at once.

Exit codes: 0 fine · 1 findings · 2 usage · 3 refused · 4 conflict · 5 not found · 6 busy.
"""

import os
import sys
from collections.abc import Callable
from typing import Literal

import click

__all__ = ["main"]


EXIT_FINDINGS = 1
EXIT_REFUSED = 3
EXIT_CONFLICT = 4
EXIT_NOT_FOUND = 5
EXIT_BUSY = 6


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="perdure")
def cli() -> None:
    """Durable state machines: each transition is one SQLite transaction, and recovery proves where it stands.

    \b
    New here?            perdure demo
    Is this file sound?  perdure verify shop.db
    Repair what can be   perdure recover shop.db shop:Order
    Keep a copy          perdure backup shop.db backups/shop-1.db
    What does PD104 say? perdure explain PD104
    Is my class sound?   perdure check shop:Order
    What does it do?     perdure diagram shop:Order
    Something odd?       perdure doctor

    Exit codes: 0 fine, 1 findings, 2 usage, 3 refused, 4 conflict, 5 not found, 6 busy.
    """  # noqa: D301  # \b is click's word for "keep these lines"


@cli.command()
@click.option("--seed", type=click.IntRange(min=0), help="Repeat a run: the same events, killed at the same points.")
@click.option("--keep", is_flag=True, help="Keep the database, as ./perdure-demo.db.")
@click.option("--break", "break_", is_flag=True, help="Plant a lost transition: the check must find it and exit 1.")
def demo(*, seed: int | None, keep: bool, break_: bool) -> int:
    """Run an order workflow under real SIGKILLs and check that nothing was lost or done twice.

    A child process fires events at many orders and is killed at drawn points of a transition, started again, and
    finishes. Takes a few seconds and writes to a temporary folder.
    """
    from perdure.demo.command import run

    return run(seed=seed, keep=keep, break_=break_)


@cli.command()
@click.argument("file", type=click.Path())
@click.argument("workflows", nargs=-1, metavar="[MODULE:CLASS]…")
@click.option("--anchor", type=click.Path(), help="Where the anchor is, if not beside FILE.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to print the report.")
def verify(*, file: str, workflows: tuple[str, ...], anchor: str | None, output: str) -> int:
    """Check every chain, image, configuration, key and seal of FILE, and its anchor. Reads only.

    (SQLite may leave an empty -wal and a -shm beside it.)

    With the classes of its workflows the data is read too; without them each instance is judged by chain, digests and
    the stored definition, and reported as NOT READ.

    \b
      perdure verify shop.db                 chains and seals
      perdure verify shop.db shop:Order      and whether the data fits Order
      perdure verify shop.db -o json         the certificate, for a program

    Exit code 1 if anything was found that a person must look at.
    """  # noqa: D301  # \b is click's word for "keep these lines"
    import recovery
    from perdure.loading import workflow_class

    classes = [workflow_class(name) for name in workflows]
    report = recovery.verify(file, *classes, anchor=anchor, progress=_bar("verify"))
    click.echo(report.to_json() if output == "json" else str(report))
    return 0 if report.is_clean else EXIT_FINDINGS


@cli.command()
@click.argument("file", type=click.Path())
@click.argument("workflows", nargs=-1, metavar="[MODULE:CLASS]…")
@click.option(
    "--level",
    type=click.Choice(["heads", "full"]),
    default="full",
    help="Read every chain, or only the heads and what is wrong with them.",
)
@click.option("--anchor", type=click.Path(), help="Where the anchor is, if not beside FILE.")
@click.option("--accept-tail-loss", is_flag=True, help="Go on without the acknowledged transitions that FILE lost.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to print the report.")
def recover(
    *, file: str, workflows: tuple[str, ...], level: str, anchor: str | None, accept_tail_loss: bool, output: str
) -> int:
    """Repair what FILE itself proves, set aside what it does not, and say which is which.

    A head that disagrees with its sound journal is rebuilt. A damaged newest row is set aside where its head is proven
    without it. Each repair is a transition of its own, nothing is deleted, and a second run changes nothing. Safe
    beside running processes.

    With the classes of its workflows (perdure recover shop.db shop:Order) the data is read too.

    Where SQLite finds the pages of FILE damaged nothing is written: restore a backup.

    TAIL LOST says that acknowledged transitions are not in FILE: nothing is written then. If there is no backup that
    has them, --accept-tail-loss saves a copy of the log and lets the store go on, in a new epoch.

    Exit code 0 if all is sound or repaired, 1 if anything is left that a person must look at.
    """
    import recovery
    from perdure.loading import workflow_class

    classes = [workflow_class(name) for name in workflows]
    if accept_tail_loss:
        for note in recovery.accept_tail_loss(file, anchor=anchor):
            click.echo(note, err=True)
    report = recovery.recover(file, *classes, level=level, anchor=anchor, progress=_bar("recover"))
    click.echo(report.to_json() if output == "json" else str(report))
    return 0 if report.is_clean else EXIT_FINDINGS


@cli.command()
@click.argument("file", type=click.Path())
@click.argument("target", type=click.Path())
@click.option("--accept-damage", is_flag=True, help="Keep the copy of a damaged store, and say what is damaged.")
def backup(*, file: str, target: str, accept_damage: bool) -> int:
    """Copy the store in FILE into TARGET, which must not exist, while others write to it.

    The copy is of one moment. It is read before it gets its name: its pages, seals, chains, definitions, keys and
    checkpoints. Copying the file by other means loses what stands in its -wal.

    For example: perdure backup shop.db backups/shop-1.db

    Exit code 1 if the copy is damaged and was kept all the same, 3 if it was not made.
    """
    from statemachine import Engine

    with Engine(file, read_only=True) as engine:
        found = engine.backup(target, accept_damage=accept_damage)
    for line in found:
        click.echo(line)
    click.echo(f"{target}: {'damaged, as the store is' if found else 'a sound copy'}")
    return EXIT_FINDINGS if found else 0


@cli.command()
@click.argument("code", required=False)
def explain(*, code: str | None) -> int:
    """Say what CODE means: the rule, an example that triggers it, and the repair. Without a code: all of them.

    \b
      perdure explain PD104             an error of a definition
      perdure explain guard_failed      a refusal
    """  # noqa: D301  # \b is click's word for "keep these lines"
    from perdure.explaining import explanations, near

    known = explanations()
    if code is None:
        for one in known.values():
            click.echo(f"{one.code:<18}{one.rule}")
        return 0
    found = known.get(code.upper()) or known.get(code.lower())
    if found is None:
        like = near(code, list(known))
        hint = f"Did you mean {' or '.join(like)}?" if like else "perdure explain lists them all."
        click.echo(f"There is no code {code!r}. {hint}", err=True)
        return EXIT_NOT_FOUND
    click.echo(str(found))
    return 0


@cli.command()
@click.argument("workflows", nargs=-1, required=True, metavar="MODULE:CLASS…")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to print the findings.")
def check(*, workflows: tuple[str, ...], output: str) -> int:
    """Find what can run but looks wrong: states never reached, dead ends, rules that never run, and more.

    Each finding is certain: guards are taken either way. perdure explain CODE says what is meant and how to repair it.

    For example: perdure check shop:Order -o json

    What is meant to be so is accepted in the class line with its reason, by code or code and place:
    accept={"PD202 parked": "kept for old instances"}.

    Exit code 0 if nothing is found, 1 if anything is, 2 for a name that is no workflow class, 3 for a class that cannot
    run. With strict=True findings are found all the same. NO_COLOR is respected.
    """
    from perdure.checking import as_json, as_text, judge

    results = {name: judge(name) for name in workflows}
    click.echo(as_json(results) if output == "json" else as_text(results, color=not os.environ.get("NO_COLOR")))
    return EXIT_FINDINGS if any(one.findings for one in results.values()) else 0


@cli.command()
@click.argument("workflow", metavar="MODULE:CLASS")
@click.argument("file", type=click.Path(), required=False)
@click.argument("instance", required=False)
@click.option(
    "--format", "format_", type=click.Choice(["mermaid", "dot", "json"]), default="mermaid", help="What to write."
)
def diagram(
    *, workflow: str, file: str | None, instance: str | None, format_: Literal["mermaid", "dot", "json"]
) -> int:
    """Draw a workflow as text, and if FILE and INSTANCE are given, where that instance stands. Reads only.

    Mermaid, for a Markdown page: perdure diagram shop:Order

    The active states highlighted: perdure diagram shop:Order shop.db o-42

    A picture, by Graphviz: perdure diagram shop:Order --format dot | dot -Tsvg

    Exit code 5 if there is no such file or instance.
    """
    from perdure.loading import workflow_class
    from statemachine import Engine
    from statemachine import diagram as draw

    found = workflow_class(workflow)
    if file is None:
        click.echo(draw(found, format=format_), nl=False)
        return 0
    if instance is None:
        raise click.UsageError(f"Which instance of {file}? Write perdure diagram {workflow} {file} INSTANCE.")
    with Engine(file, found, read_only=True) as engine:
        click.echo(draw(engine.get(found, instance), format=format_), nl=False)
    return 0


@cli.command()
def doctor() -> int:
    """Say which versions run here, and whether the packages are Perdure's own."""
    import persistence  # raises if the import name was taken over
    from perdure.loading import versions

    for name, value in versions().items():
        click.echo(f"{name:<14}{value}")
    click.echo(f"{'packages':<14}Perdure's own ({len(persistence.__all__)} names in persistence)")
    return 0


def _bar(label: str) -> "Callable[[int, int], None] | None":
    """Return a progress callback that draws a bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        if done == total or done % 256 == 0:
            ending = "\r\033[K" if done == total else ""
            click.echo(f"\r{label} {done}/{total} {ending}", nl=False, err=True)

    return show


def _exit_code(error: Exception) -> int | None:
    """Return the exit code that stands for an error of ours; None for one that is not."""
    import persistence
    from statemachine.errors import DefinitionError, Refused

    table: tuple[tuple[type[Exception], int], ...] = (
        (persistence.Busy, EXIT_BUSY),
        (persistence.Conflict, EXIT_CONFLICT),
        (persistence.NotFound, EXIT_NOT_FOUND),
        (persistence.StoreError, EXIT_REFUSED),
        (Refused, EXIT_REFUSED),
        (DefinitionError, EXIT_REFUSED),
    )
    if isinstance(error, Refused) and error.code == "unknown_instance":
        return EXIT_NOT_FOUND
    return next((code for kind, code in table if isinstance(error, kind)), None)


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code: object = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except ImportError as error:
        if "PS320" not in str(error):
            raise
        click.echo(str(error), err=True)
        sys.exit(EXIT_REFUSED)
    except Exception as error:
        known = _exit_code(error)
        if known is None:
            raise
        click.echo(str(error), err=True)
        sys.exit(known)
    sys.exit(code if isinstance(code, int) else 0)
