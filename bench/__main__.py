"""The command line, one subcommand a benchmark. It picks the benchmark and knows none of them.

A user's mistake is one line on standard error and exit status 2.
"""

import sys
from collections.abc import Sequence

import click

from bench.http.command import http
from bench.kernel.command import kernel
from bench.store.command import store
from bench.upstream.command import upstream


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Measure Greenroom, beside what it is built on and beside its peers."""


cli.add_command(http)
cli.add_command(kernel)
cli.add_command(store)
cli.add_command(upstream)


def run(arguments: Sequence[str]) -> int:
    """Run one benchmark and return its exit status."""
    try:
        status = cli.main(args=list(arguments), prog_name="bench", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        click.echo(f"bench: {error.format_message()}", err=True)
        return 2
    except (KeyboardInterrupt, click.Abort):
        return 130
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
