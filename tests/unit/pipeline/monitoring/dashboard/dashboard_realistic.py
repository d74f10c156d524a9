"""A month of a workspace with names, paths and reasons as long as those of real ones."""

import json
from datetime import timedelta

from dashboard_story import FIRST

from pipeline.registry.journal import Outcome
from tests.recorded import set_property

FOLDER = "/srv/data/customers/northern-warehouse/camera-17/cropped-and-cleaned"
METRICS = {
    "kid": 0.0123,
    "frechet_distance": 12.34,
    "precision": 0.8123,
    "recall": 0.7012,
    "density": 0.9876,
    "coverage": 0.9012,
    "kid@holdout": 0.0141,
    "frechet_distance@holdout": 13.21,
    "coverage@holdout": 0.8876,
}
GOOD = "kid 0.0123 is at most 0.02; frechet_distance 12.34 is not worse than the baseline's 12.41"
BAD = (
    "kid 0.0323 exceeds the maximum of 0.02; frechet_distance 15.81 is worse than the baseline's "
    "12.34 by more than 0.41; coverage@holdout 0.7012 covers less than half of the held-out "
    "images; 0.62 of the samples are closer to a training image than held-out images are"
)
HELD = (
    "312 of 400 files rejected (limit 0.1): 290 truncated, 12 smaller than 32 pixels, 10 not an "
    "image"
)
EVALUATE = {
    "samples": 10000,
    "features": {"name": "efficientnet_lite0"},
    "limits": "none",
    "max_memorized": 0.5,
    "thresholds": {
        name: {
            "minimum": 0.5 if name.startswith(("precision", "coverage")) else None,
            "maximum": 0.02 if name.startswith("kid") else None,
            "max_worsening": 0.0,
        }
        for name in METRICS
    },
}
TRAINING = {
    "model": {"channels": [64, 128, 256, 512], "attention": [False, False, True, True]},
    "train": {"batch_size": 128, "learning_rate": 0.0002, "warm_start": True, "ema": 0.9999},
    "sample": {"nb_step": 64, "solver": "midpoint", "guidance": 1.0},
    "resolution": 64,
    "channels": 3,
    "split": {
        "data.eval_percent": 10,
        "data.group_pattern": "(customer-[0-9]+)/.*",
        "data.holdout": "/srv/data/customers/northern-warehouse/held-out-since-2026-01",
    },
    "checkpoints": "/srv/iadb/workspace/checkpoints",
    "source_hash": "0123456789abcdef" * 4,
}


def record_month(story):
    """Records thirty days: twenty models with all metrics, held spans, and a run without end."""
    parent = None
    for day in range(30):
        span = 20400 + day
        found = f"1,204 new images: 4 late in span {span - 1}, 1,200 in span {span}"
        if day % 7 == 5:
            story.attempt(day, Outcome.HELD, f"{found}; held: {HELD}", found=found)
            story.journal.hold(span, HELD, FIRST + timedelta(days=day))
            continue
        if day % 7 == 6:
            story.attempt(day, Outcome.NOTHING_NEW, "no new images", found="no new images")
            continue
        blessed = day % 3 != 1
        reason = GOOD if blessed else BAD
        run, number = story.run(span=span, base=parent, blessed=blessed, reason=reason)
        story.write_evaluation(run)
        name = f"span-{span}/customer-00012/2026-11-02T03-00-00.0001Z-camera-17-full-frame.jpeg"
        rejected = [[name, "truncated after 1,204 bytes; a whole file ends with FF D9"]]
        story.write_rejected(run, rejected, {str(span): {"accepted": 1797, "rejected": 1}})
        outcome = Outcome.BLESSED if blessed else Outcome.NOT_BLESSED
        # Every sixth run was started by a person.
        if day % 6:
            story.attempt(day, outcome, f"{found}; {reason}", runs=(run,), found=found)
        story.journal.remember({span: b""})
        if blessed:
            story.recorded.push(number, story.workspace.serving)
            parent = number
    story.run(of=parent, span=20429)  # trained nothing: it had the model from the cache
    story.run(blessed=None)
    _complete(story.recorded.store)


def _complete(store):
    """Adds what the components record, to every execution and evaluation."""
    for evaluation in store.get_artifacts_by_type("ModelEvaluation"):
        for name, value in METRICS.items():
            set_property(evaluation.custom_properties[name], value)
        store.put_artifacts([evaluation])
    recorded = {
        "SampleEvaluator": {"options": json.dumps(EVALUATE), "samples": 10000},
        "Trainer": {"custom_config": json.dumps(TRAINING), "steps": 50000},
        "ImageExampleGen": {
            "input_base": FOLDER,
            "image_options": json.dumps({"resolution": 64, "channels": 3, "max_rejected": 0.1}),
            "window_options": json.dumps({"pattern": "span-{SPAN}", "window": 30, "exclude": []}),
        },
    }
    for node, properties in recorded.items():
        for execution in store.get_executions_by_type(node):
            for name, value in properties.items():
                set_property(execution.custom_properties[name], value)
            store.put_executions([execution])
