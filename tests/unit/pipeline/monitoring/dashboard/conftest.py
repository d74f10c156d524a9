import pytest
from dashboard_story import Story


@pytest.fixture
def story(tmp_path):
    return Story(tmp_path / "workspace")
