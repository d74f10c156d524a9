"""Names under which the resolvers of models are found."""

BASE_MODEL = "BaseModel"
BASELINE = "Baseline"
CANDIDATE = "candidate"  # input of Baseline
