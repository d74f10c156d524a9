"""TFX's handle of ML Metadata in PostgreSQL."""

from tfx.orchestration.metadata import Metadata

from pipeline.metadata.database import Database


class PostgreSQLMetadata(Metadata):
    """TFX's handle, which opens the store of a database when it is entered."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.config)
        self._database = database

    def __enter__(self) -> "PostgreSQLMetadata":
        self._store = self._database.connect()
        self._users += 1
        return self
