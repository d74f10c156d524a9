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
@click.option(
    "--jitter",
    default=0,
    show_default=True,
    type=click.IntRange(0, 86_400),
    metavar="SECONDS",
    help="Delay each check by a random time of at most this.",
)
@click.option(
    "--misfire-grace",
    default=3600,
    show_default=True,
    type=click.IntRange(1, 604_800),
    metavar="SECONDS",
    help="Make up for a missed check once, if it is at most this late; for one that was "
    "interrupted, however late.",
)
def schedule(
    arguments: ConfigArguments,
    workspace: Workspace,
    cron: str,
    zone: str,
    jitter: int,
    misfire_grace: int,
) -> None:
    """Check for new data on a schedule, and retrain.

    Runs `iadb run --if-new-data` at each time, never two at once. The next time is stored in the
    workspace and survives a restart. On Ctrl-C or SIGTERM, the schedule ends as soon as a run in
    progress has saved its state.
    """
    from pipeline.config.sections import require_folder
    from pipeline.unattended.runs import IADB
    from pipeline.unattended.scheduler import CAUSE, Plan, run_scheduler

    config, _ = arguments.load_for_check(workspace)  # each check will look again
    require_folder(config.data, workspace.folder)
    command = [*IADB, "run", "--if-new-data", f"--cause={CAUSE}", f"--workspace={workspace.folder}"]
    plan = Plan(cron, zone, jitter, misfire_grace)
    command += arguments.as_options()
    run_scheduler(workspace, command, plan, config.notify, report=failures.say)


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
    webhook.post(arguments.load().notify, webhook.message(attempt, workspace))
    click.echo("the webhook accepted the message")
