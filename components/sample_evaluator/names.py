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
NEAREST_PAIRS_PNG = "nearest_pairs.png"
TRAJECTORIES_PNG = "trajectories.png"
WORST_SAMPLES_PNG = "worst_samples.png"
MISSING_KINDS_PNG = "missing_kinds.png"
PAIRS_PNG = "pairs.png"
ANSWERS_PNG = "answers.png"
PICTURES = {  # by their name in the report
    "samples": SAMPLES_PNG,
    "nearest_pairs": NEAREST_PAIRS_PNG,
    "trajectories": TRAJECTORIES_PNG,
    "worst_samples": WORST_SAMPLES_PNG,
    "missing_kinds": MISSING_KINDS_PNG,
    "pairs": PAIRS_PNG,
    "answers": ANSWERS_PNG,
}

BLESSING = "blessing"  # output
BLESSING_TYPE = "ModelBlessing"
BLESSED_FILE, NOT_BLESSED_FILE = "BLESSED", "NOT_BLESSED"

# Custom properties.
MODEL_ID = "current_model_id"  # of blessing and evaluation
MODEL_URI = "current_model"  # of a blessing
BASELINE_ID, BASELINE_URI = "baseline_model_id", "baseline_model"  # of a blessing
BLESSED = "blessed"  # of a blessing: 1 or 0
REASON = "reason"  # of a blessing
