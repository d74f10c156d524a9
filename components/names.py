"""Names of TFX's own nodes in the pipeline; each component's names are in its own names.py."""

STATISTICS_GEN = "StatisticsGen"
TRANSFORM = "Transform"

# Keys of their outputs.
STATISTICS = "statistics"
ANOMALIES = "anomalies"
TRANSFORM_GRAPH = "transform_graph"
