"""The verbs of `lit-gan` that Lightning's Trainer has, too; a job or a trial can be any of them."""

from lit_gan.errors import UserError

TRAINER_VERBS = ("fit", "validate", "test", "predict")


def nothing_trained(verb: str) -> UserError:
    """What is told where a verb has nothing to evaluate.

    Args:
        verb: The verb.
    """
    return UserError(
        f"`lit-gan {verb}` needs something trained: expected a run folder or a checkpoint, as in "
        f"`lit-gan {verb} runs/mnist/ID`."
    )
