"""Names of SampleEvaluator, its outputs, and their files and properties; some are TFX's own."""

from trainer.names import METADATA

NODE = "SampleEvaluator"
STUDENT_NODE = "StudentEvaluator"
MODEL = "model"  # input
SIGNATURE = "generate"  # of a sampler SavedModel; others are optional
TRANSLATE = "translate"  # in its place where a model translates sources
NOT_A_SAMPLER = (
    f"is not a sampler of this project, which has {METADATA} and the signature {SIGNATURE!r}, from "
    "seed and nb_step to uint8 images; name a sampler, or a folder of images that the model drew"
)
OPTIONS = "options"  # execution property: EvaluateOptions as JSON

EVALUATION = "evaluation"  # output
EVALUATION_TYPE = "ModelEvaluation"
METRICS_JSON = "metrics.json"
REPORT_HTML = "report.html"
SAMPLES_PNG = "samples.png"
# Each is a PNG file; all but the samples are written only where there is something to show.
PICTURES = (
    "samples",
    "nearest_pairs",
    "trajectories",
    "worst_samples",
    "missing_kinds",
    "pairs",
    "answers",
)

BLESSING = "blessing"  # output
BLESSING_TYPE = "ModelBlessing"
BLESSED_FILE, NOT_BLESSED_FILE = "BLESSED", "NOT_BLESSED"

# Custom properties.
MODEL_ID = "current_model_id"  # of blessing and evaluation
MODEL_URI = "current_model"  # of a blessing
BASELINE_ID, BASELINE_URI = "baseline_model_id", "baseline_model"  # of a blessing
BLESSED = "blessed"  # of a blessing: 1 or 0
REASON = "reason"  # of a blessing
