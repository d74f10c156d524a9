"""Versions, runs and schedules of pipelines on a Kubeflow Pipelines cluster.

A pipeline and its experiment have one name.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar

import kfp_server_api as api
from kfp.client.client import KF_PIPELINES_UI_ENDPOINT_ENV

from pipeline.cluster.access import Access
from pipeline.cluster.connection import ClusterError, Connection, display_name, one_line
from pipeline.cluster.package import Package
from pipeline.cluster.state import ENDED, Run, Schedule, read_run, read_schedule

POLL_SECONDS = 10
LOST_POLLS = 30  # that may fail in a row before a run is no longer followed
NOT_FOUND, CONFLICT = 404, 409
T = TypeVar("T")


@dataclass(frozen=True)
class Version:
    """A version of a pipeline on the cluster; `uploaded` says whether it was made just now."""

    pipeline: str
    name: str
    reference: api.V2beta1PipelineVersionReference
    uploaded: bool


class Cluster:
    """What is done on a cluster. Every method raises ClusterError.

    Attributes:
        access: how the cluster is called.

    Raises:
        ClusterError: if it is not reached, refuses, or is no KFP 2.
        AccessError: if it has many users, and no namespace is given.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        connection = Connection(access)
        self._call, self._list, self._client = connection.call, connection.list, connection.client

    def upload(self, package: Package, pipeline: str) -> Version:
        """Uploads a package as a version of a pipeline, unless the same is there already."""
        service = self._client.pipelines
        pipeline_id = self._find_or_make(
            lambda: self._find_id(service.pipeline_service_list_pipelines, "pipeline", pipeline),
            lambda: (
                self._call(
                    service.pipeline_service_create_pipeline,
                    pipeline=api.V2beta1Pipeline(
                        display_name=pipeline, namespace=self.access.namespace
                    ),
                ).pipeline_id
            ),
        )

        def find() -> Version | None:
            versions = self._list(
                service.pipeline_service_list_pipeline_versions,
                "pipeline_versions",
                pipeline_id=pipeline_id,
                filter=display_name("IS_SUBSTRING", package.digest),
            )
            found = next(versions, None)
            return found and _version(pipeline, found, uploaded=False)

        def make() -> Version:
            now = datetime.now(timezone.utc)
            made = self._call(
                self._client.pipeline_uploads.upload_pipeline_version,
                str(package.path),
                name=f"{pipeline}-{now:%Y%m%d-%H%M%S}-{package.digest}",
                pipelineid=pipeline_id,
            )
            return _version(pipeline, made, uploaded=True)

        return self._find_or_make(find, make)

    def start(self, version: Version, parameters: Mapping[str, Any], service_account: str) -> str:
        """Starts a run of a version; returns its id."""
        now = datetime.now(timezone.utc)
        run = api.V2beta1Run(
            display_name=f"{version.pipeline} {now:%Y-%m-%d %H:%M:%S}",
            experiment_id=self._experiment_id(version.pipeline),
            pipeline_version_reference=version.reference,
            runtime_config=api.V2beta1RuntimeConfig(parameters=dict(parameters)),
            service_account=service_account,
        )
        return self._call(self._client.runs.run_service_create_run, run=run).run_id

    def follow(self, run_id: str) -> Iterator[Run]:
        """Looks at a run every POLL_SECONDS until it has ended.

        A cluster that does not answer for a while, as when it is upgraded, is waited for.
        """
        failures = 0
        while True:
            try:
                answer = self._call(self._client.runs.run_service_get_run, run_id=run_id)
            except ClusterError as error:
                failures += 1
                refused = error.status is not None and error.status < 500
                if refused or failures > LOST_POLLS:
                    raise
            else:
                failures = 0
                run = read_run(answer)
                yield run
                if run.state in ENDED:
                    return
            time.sleep(POLL_SECONDS)

    def schedule(
        self,
        version: Version,
        name: str,
        cron: str,
        parameters: Mapping[str, Any],
        service_account: str,
    ) -> int:
        """Makes a schedule that runs a version, in place of those with its name.

        One run at a time, and what was missed is not made up for. KFP cannot change a schedule: the
        new one is made first, so that whatever fails, there is one. Of several calls at once, the
        newest schedule stays.

        Args:
            version: what is run.
            name: of the schedule.
            cron: six fields, in the cluster's time zone.
            parameters: of the runs.
            service_account: of the runs.

        Returns:
            How many it replaces.
        """
        experiment_id = self._experiment_id(version.pipeline)
        made = self._call(
            self._client.recurring_runs.recurring_run_service_create_recurring_run,
            recurring_run=api.V2beta1RecurringRun(
                display_name=name,
                experiment_id=experiment_id,
                pipeline_version_reference=version.reference,
                runtime_config=api.V2beta1RuntimeConfig(parameters=dict(parameters)),
                service_account=service_account,
                trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=cron)),
                mode=api.RecurringRunMode.ENABLE,
                max_concurrency="1",
                no_catchup=True,
            ),
        )
        try:
            found = self._recurring_runs(experiment_id, name)
            *older, newest = sorted(found, key=lambda run: (run.created_at, run.recurring_run_id))
            for run in older:
                self._delete(run.recurring_run_id)
        except ClusterError as error:
            raise ClusterError(
                f"schedule {name} is made, but an older one may still start runs beside it; try "
                f"again: {error}",
                error.status,
            ) from None
        if newest.recurring_run_id != made.recurring_run_id:
            raise ClusterError(f"schedule {name} was made by somebody else at the same time")
        return len(older)

    def unschedule(self, pipeline: str, name: str) -> int:
        """Deletes the schedules of a pipeline that have a name; returns how many."""
        experiment_id = self._find_experiment_id(pipeline)
        found = self._recurring_runs(experiment_id, name) if experiment_id else []
        for run in found:
            self._delete(run.recurring_run_id)
        return len(found)

    def runs(self, last: int, pipeline: str | None = None) -> list[Run]:
        """The newest runs first: of a pipeline, or all that the namespace has."""
        scope = self._scope(pipeline)
        if scope is None:
            return []
        request = self._client.runs.run_service_list_runs
        found = self._list(request, "runs", sort_by="created_at desc", **scope)
        return [read_run(run) for run in itertools.islice(found, last)]

    def schedules(self, pipeline: str | None = None) -> list[Schedule]:
        """The schedules, by name: of a pipeline, or all that the namespace has."""
        scope = self._scope(pipeline)
        if scope is None:
            return []
        request = self._client.recurring_runs.recurring_run_service_list_recurring_runs
        found = map(read_schedule, self._list(request, "recurring_runs", **scope))
        return sorted(found, key=lambda schedule: (schedule.name, schedule.id))

    def run_url(self, run_id: str) -> str:
        """Where a run is shown; KFP's own variable names the UI, if that is not the endpoint."""
        ui = os.environ.get(KF_PIPELINES_UI_ENDPOINT_ENV, self.access.endpoint)
        return f"{ui.rstrip('/')}/#/runs/details/{run_id}"

    def _experiment_id(self, name: str) -> str:
        return self._find_or_make(
            lambda: self._find_experiment_id(name),
            lambda: (
                self._call(
                    self._client.experiments.experiment_service_create_experiment,
                    experiment=api.V2beta1Experiment(
                        display_name=name, namespace=self.access.namespace
                    ),
                ).experiment_id
            ),
        )

    def _find_experiment_id(self, name: str) -> str | None:
        request = self._client.experiments.experiment_service_list_experiments
        return self._find_id(request, "experiment", name)

    def _find_id(self, request: Callable[..., Any], kind: str, name: str) -> str | None:
        of_name = display_name("EQUALS", name)
        found = self._list(request, f"{kind}s", namespace=self.access.namespace, filter=of_name)
        return getattr(next(found, None), f"{kind}_id", None)

    def _find_or_make(self, find: Callable[[], T | None], make: Callable[[], T]) -> T:
        """What there is, or else is made; somebody else may make it in between."""
        if found := find():
            return found
        try:
            return make()
        except ClusterError as error:
            if error.status != CONFLICT or not (found := find()):
                raise
            return found

    def _scope(self, pipeline: str | None) -> dict[str, str | None] | None:
        """What a list is limited to; none if there is no such pipeline."""
        if pipeline is None:
            return {"namespace": self.access.namespace}
        experiment_id = self._find_experiment_id(pipeline)
        return {"experiment_id": experiment_id} if experiment_id else None

    def _recurring_runs(self, experiment_id: str, name: str) -> list[api.V2beta1RecurringRun]:
        found = self._list(
            self._client.recurring_runs.recurring_run_service_list_recurring_runs,
            "recurring_runs",
            experiment_id=experiment_id,
            filter=display_name("EQUALS", name),
        )
        return list(found)

    def _delete(self, recurring_run_id: str) -> None:
        request = self._client.recurring_runs.recurring_run_service_delete_recurring_run
        try:
            self._call(request, recurring_run_id=recurring_run_id)
        except ClusterError as error:
            if error.status != NOT_FOUND:  # or somebody else has deleted it
                raise


def _version(pipeline: str, found: api.V2beta1PipelineVersion, *, uploaded: bool) -> Version:
    reference = api.V2beta1PipelineVersionReference(
        pipeline_id=found.pipeline_id, pipeline_version_id=found.pipeline_version_id
    )
    return Version(pipeline, one_line(found.display_name), reference, uploaded)
