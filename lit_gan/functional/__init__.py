"""Pure functions, tensors to tensors, that read like the paper's equations."""

from lit_gan.functional.parzen import PAPER_SIGMAS as PAPER_SIGMAS
from lit_gan.functional.parzen import fit_sigma as fit_sigma
from lit_gan.functional.parzen import paired_standard_error as paired_standard_error
from lit_gan.functional.parzen import parzen_log_likelihood as parzen_log_likelihood
from lit_gan.functional.parzen import select_sigma as select_sigma
from lit_gan.functional.parzen import standard_error as standard_error
from lit_gan.functional.parzen_windows import ParzenWindows as ParzenWindows
from lit_gan.functional.theory import generator_criterion as generator_criterion
from lit_gan.functional.theory import jensen_shannon_divergence as jensen_shannon_divergence
from lit_gan.functional.theory import jsd_lower_bound as jsd_lower_bound
from lit_gan.functional.theory import kullback_leibler_divergence as kullback_leibler_divergence
from lit_gan.functional.theory import lower_criterion as lower_criterion
from lit_gan.functional.theory import optimal_discriminator as optimal_discriminator
from lit_gan.functional.theory import value_function as value_function
