"""Pure functions, tensors to tensors, that read like the paper's equations."""

from lit_gan.functional.theory import jsd_lower_bound as jsd_lower_bound
from lit_gan.functional.theory import value_function as value_function
