"""Names of SampleEvaluator, its outputs, and their files and properties; some are TFX's own."""

NODE = "SampleEvaluator"
MODEL = "model"  # input
OPTIONS = "options"  # execution property: EvaluateOptions as JSON

EVALUATION = "evaluation"  # output
EVALUATION_TYPE = "ModelEvaluation"
METRICS_JSON = "metrics.json"
REPORT_HTML = "report.html"
SAMPLES_PNG = "samples.png"
NEAREST_PAIRS_PNG = "nearest_pairs.png"
TRAJECTORIES_PNG = "trajectories.png"
ERROR_BY_ALPHA_JSON = "error_by_alpha.json"

BLESSING = "blessing"  # output
BLESSING_TYPE = "ModelBlessing"
BLESSED_FILE = "BLESSED"

# Custom properties.
MODEL_ID = "current_model_id"  # of blessing and evaluation
BLESSED = "blessed"  # of a blessing: 1 or 0
REASON = "reason"  # of a blessing
