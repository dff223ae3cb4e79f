"""The verbs of `lit-gan` that Lightning's Trainer has, too; a job or a trial can be any of them."""

TRAINER_VERBS = ("fit", "validate", "test", "predict")
