"""The command `iadb notify-test`."""

from datetime import datetime
from pathlib import Path

import click

from pipeline.commands.shared_options import WORKSPACE, config_options, load_config


@click.command("notify-test")
@config_options
@WORKSPACE
def notify_test(
    preset: str | None, file: Path | None, overrides: tuple[str, ...], workspace: Path
) -> None:
    """Post a test message to the webhook whose URL is in $IADB_WEBHOOK (notify.webhook_env)."""
    from pipeline.monitoring import webhook
    from pipeline.registry.journal import Attempt, Outcome
    from pipeline.workspace import Workspace

    options = load_config(preset, file, overrides, None).notify
    attempt = Attempt(
        number=0,
        started=datetime.now().astimezone(),
        cause="test",
        outcome=Outcome.NOTHING_NEW,
        message="this is a test of the webhook",
    )
    webhook.post(options, webhook.message(attempt, Workspace(workspace.resolve())))
    click.echo("the webhook has taken the message")
