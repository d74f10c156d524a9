"""Versions, runs and schedules of pipelines on a Kubeflow Pipelines cluster.

A pipeline and its experiment have the same name. KFP's client prints links to what it creates.
"""

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import kfp_server_api as api
import tenacity

from pipeline.cluster.access import Access
from pipeline.cluster.connection import Client, ClusterError, one_line
from pipeline.cluster.package import CompiledPackage
from pipeline.cluster.state import ENDED, ClusterRun, ClusterSchedule, read_run, read_schedule

POLL_SECONDS = 10
LOST_SECONDS = 300  # without an answer, before a run is no longer followed
PAGE_SIZE = 100
NOT_FOUND, CONFLICT = 404, 409

# Another client may create the same in between; then a further attempt finds it.
_retry_conflict = tenacity.retry(
    retry=tenacity.retry_if_exception(lambda error: _status(error) == CONFLICT),
    stop=tenacity.stop_after_attempt(3),
    reraise=True,
)


@dataclass(frozen=True)
class PipelineVersion:
    """A version of a pipeline on the cluster; `uploaded` is whether it is new there."""

    pipeline: str
    name: str
    pipeline_id: str
    version_id: str
    uploaded: bool


class Cluster:
    """A Kubeflow Pipelines cluster. Every method raises ClusterError.

    Attributes:
        access: how the cluster is called.

    Raises:
        ClusterError: the cluster is unreachable, rejects the request, or does not run KFP 2.
        AccessError: it is a multi-user cluster, and no namespace is given.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self._client = Client(access)

    @_retry_conflict
    def upload(self, package: CompiledPackage, pipeline: str) -> PipelineVersion:
        """Uploads a package as a version of a pipeline, unless the cluster has the same."""
        client = self._client
        # KFP's get_pipeline_id ignores the namespace.
        pipelines = client.list_pipelines(
            namespace=self.access.namespace, filter=_display_name("EQUALS", pipeline)
        ).pipelines
        if pipelines:
            pipeline_id = pipelines[0].pipeline_id
        else:
            pipeline_id = client.pipelines.pipeline_service_create_pipeline(
                pipeline=api.V2beta1Pipeline(display_name=pipeline, namespace=self.access.namespace)
            ).pipeline_id
        versions = client.list_pipeline_versions(
            pipeline_id, filter=_display_name("IS_SUBSTRING", package.digest)
        ).pipeline_versions
        if versions:
            found = versions[0]
        else:
            name = f"{pipeline}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}-{package.digest}"
            found = client.upload_pipeline_version(str(package.path), name, pipeline_id)
        return PipelineVersion(
            pipeline=pipeline,
            name=one_line(found.display_name),
            pipeline_id=pipeline_id,
            version_id=found.pipeline_version_id,
            uploaded=not versions,
        )

    def start(
        self, version: PipelineVersion, parameters: Mapping[str, Any], service_account: str
    ) -> str:
        """Starts a run of a version; returns its id."""
        run = self._client.run_pipeline(
            self._create_experiment(version.pipeline),
            f"{version.pipeline} {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S}",
            params=dict(parameters),
            pipeline_id=version.pipeline_id,
            version_id=version.version_id,
            service_account=service_account,
        )
        return run.run_id

    def follow(self, run_id: str) -> Iterator[ClusterRun]:
        """Yields a run every POLL_SECONDS until it has ended.

        Waits LOST_SECONDS for a cluster that does not answer, for example during an upgrade. KFP's
        own wait_for_run_completion neither does so, nor does it end with a canceled run.
        """
        get_run = tenacity.retry(
            retry=tenacity.retry_if_exception(lambda error: _status(error) >= 500),
            stop=tenacity.stop_after_delay(LOST_SECONDS),
            wait=tenacity.wait_fixed(POLL_SECONDS),
            reraise=True,
        )(self._client.get_run)
        while True:
            run = read_run(get_run(run_id))
            yield run
            if run.state in ENDED:
                return
            time.sleep(POLL_SECONDS)

    def schedule(
        self,
        version: PipelineVersion,
        name: str,
        cron: str,
        parameters: Mapping[str, Any],
        service_account: str,
    ) -> int:
        """Creates a schedule that runs a version, and replaces those of the same name.

        One run at a time; of missed runs, the newest is made up for. KFP cannot change a schedule:
        the new one is created first, then older ones are deleted, so that of concurrent calls the
        newest stays.

        Args:
            version: what is run.
            name: of the schedule.
            cron: six fields, in the cluster's time zone.
            parameters: of the runs.
            service_account: of the runs.

        Returns:
            How many it replaces.
        """
        created = self._client.create_recurring_run(
            self._create_experiment(version.pipeline),
            name,
            cron_expression=cron,
            max_concurrency=1,
            no_catchup=True,
            params=dict(parameters),
            pipeline_id=version.pipeline_id,
            version_id=version.version_id,
            service_account=service_account,
        )
        try:
            found = self._recurring_runs(version.pipeline, name)
            older = [run for run in found if _age(run) < _age(created)]
            for run in older:
                self._delete(run)
        except ClusterError as error:
            raise ClusterError(
                f"created schedule {name}, but an older one may still start runs; try again: "
                f"{error}",
                error.status,
            ) from None
        return len(older)

    def unschedule(self, pipeline: str, name: str) -> int:
        """Deletes the schedules of a pipeline that have a name; returns how many."""
        found = self._recurring_runs(pipeline, name)
        for run in found:
            self._delete(run)
        return len(found)

    def runs(self, last: int, pipeline: str | None = None) -> list[ClusterRun]:
        """The newest runs first: of a pipeline, or of the whole namespace."""
        found = self._list(self._client.list_runs, "runs", pipeline, sort_by="created_at desc")
        return [read_run(run) for run in itertools.islice(found, last)]

    def schedules(self, pipeline: str | None = None) -> list[ClusterSchedule]:
        """The schedules, by name: of a pipeline, or of the whole namespace."""
        found = self._list(self._client.list_recurring_runs, "recurring_runs", pipeline)
        return sorted(map(read_schedule, found), key=lambda each: (each.name, each.id))

    @_retry_conflict
    def _create_experiment(self, name: str) -> str:
        """The id of an experiment, which is created if it does not exist."""
        return self._client.create_experiment(name).experiment_id

    def _list(
        self, request: Callable[..., Any], field: str, pipeline: str | None, **query: str
    ) -> Iterator[Any]:
        """Yields what a request lists, of a pipeline or of the whole namespace, page by page."""
        if pipeline:
            named = _display_name("EQUALS", pipeline)
            experiments = self._client.list_experiments(filter=named).experiments
            if not experiments:
                return
            query["experiment_id"] = experiments[0].experiment_id
        namespace, token = self.access.namespace, ""
        while token is not None:
            page = request(page_token=token, page_size=PAGE_SIZE, namespace=namespace, **query)
            yield from getattr(page, field) or ()
            token = page.next_page_token or None

    def _recurring_runs(self, pipeline: str, name: str) -> list[api.V2beta1RecurringRun]:
        found = self._list(self._client.list_recurring_runs, "recurring_runs", pipeline)
        return [run for run in found if run.display_name == name]

    def _delete(self, run: api.V2beta1RecurringRun) -> None:
        try:
            self._client.delete_recurring_run(run.recurring_run_id)
        except ClusterError as error:
            if error.status != NOT_FOUND:  # otherwise, somebody else has deleted it
                raise


def _status(error: BaseException) -> int:
    """The HTTP status of a failure; 503 if there was no answer, 0 for other errors."""
    return (error.status or 503) if isinstance(error, ClusterError) else 0


def _age(run: api.V2beta1RecurringRun) -> tuple[datetime, str]:
    return run.created_at, run.recurring_run_id


def _display_name(operation: str, text: str) -> str:
    """A filter by the displayed name: "EQUALS" or "IS_SUBSTRING"."""
    predicate = {"operation": operation, "key": "display_name", "string_value": text}
    return json.dumps({"predicates": [predicate]})
