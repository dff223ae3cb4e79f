"""The verbs of `lit-gan` that Lightning's Trainer has, too; a job or a trial can be any of them."""

TRAINER_VERBS = ("fit", "validate", "test", "predict")

#: What may be imported because a checkpoint names it. Read before the parser reads anything, and from no file.
ALLOW_OPTION = "--allow"
