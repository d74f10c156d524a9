"""Names under which DataGate and what it makes are found."""

NODE = "DataGate"
VERDICT = "verdict"  # output
VERDICT_JSON = "verdict.json"  # in its root: all anomalies
