"""The commands `iadb schedule` and `iadb notify-test`: retraining unattended."""

import click

from pipeline import failures
from pipeline.commands.shared_options import (
    DATA,
    WORKSPACE,
    WORKSPACE_TO_RUN_IN,
    ConfigArguments,
    config_options,
)
from pipeline.workspace import Workspace


@click.command()
@config_options
@DATA
@WORKSPACE_TO_RUN_IN
@click.option(
    "--cron",
    required=True,
    metavar='"MIN HOUR DAY MONTH WEEKDAY"',
    help='When to check for new data, for example "0 3 * * *".',
)
@click.option("--timezone", "zone", default="UTC", show_default=True, help="Time zone of --cron.")
def schedule(arguments: ConfigArguments, workspace: Workspace, cron: str, zone: str) -> None:
    """Check for new data on a schedule, and retrain.

    Runs `iadb run --if-new-data` at each time, never two at once. On Ctrl-C or SIGTERM, the
    schedule ends as soon as a run in progress has saved its state. A time that passes while it does
    not run is not made up for: a systemd timer or a CronJob does that (docs/schedule.md).
    """
    from pipeline.config.sections import require_folder
    from pipeline.unattended.runs import IADB
    from pipeline.unattended.schedule import CAUSE, run_schedule

    config, _ = arguments.load_for_check(workspace)  # each check will look again
    require_folder(config.data, workspace.folder)
    command = [*IADB, "run", "--if-new-data", f"--cause={CAUSE}", f"--workspace={workspace.folder}"]
    command += arguments.as_options()
    run_schedule(workspace, command, cron, zone, config.notify, report=failures.say)


@click.command("notify-test")
@config_options
@WORKSPACE
def notify_test(arguments: ConfigArguments, workspace: Workspace) -> None:
    """Post a test message to the webhook.

    Its URL is in the environment variable IADB_WEBHOOK, or the one that notify.webhook_env names.
    """
    from datetime import datetime

    from pipeline.monitoring import webhook
    from pipeline.registry.journal import Attempt
    from pipeline.registry.names import Outcome

    attempt = Attempt(
        number=0,
        started=datetime.now().astimezone(),
        cause="test",
        outcome=Outcome.NOTHING_NEW,
        message="this is a test of the webhook",
    )
    webhook.post(arguments.load_as_given().notify, webhook.message(attempt, workspace))
    click.echo("the webhook accepted the message")
