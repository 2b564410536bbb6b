"""What a run goes by: the portfolio of the settings and the policy as the portfolio changes it."""

from dataclasses import dataclass
from fractions import Fraction

from pipelines.clock import utc_now
from pipelines.holdings.models import Portfolio
from pipelines.holdings.portfolio import PortfolioError, canonical_json, digest, load_portfolio, require_known, resolve
from pipelines.holdings.sectors import read_taxonomy
from pipelines.policy import Policy, load_policy
from pipelines.settings import Settings


@dataclass(frozen=True)
class Effective:
    """The portfolio and the policy in force.

    Attributes:
        portfolio: What `portfolio.yml` says; empty where there is none.
        policy: The policy file with the portfolio's split, limits and expressions over it.
    """

    portfolio: Portfolio
    policy: Policy

    @property
    def portfolio_hash(self) -> str | None:
        """SHA-256 of the portfolio file; None where there is none."""
        return None if self.portfolio == Portfolio() else digest(self.portfolio)

    @property
    def portfolio_json(self) -> str:
        """The portfolio file with sorted keys; reading it gives the same portfolio again."""
        return canonical_json(self.portfolio)

    @property
    def strategic_weights(self) -> dict[str, Fraction] | None:
        """Exact strategic weight per sector; None: those of the seed."""
        return self.portfolio.strategic_weights


def load_effective(settings: Settings) -> Effective:
    """Read both files and hold them against each other and against the sectors there are.

    Raises:
        PolicyError: The policy file cannot be used.
        PortfolioError: The portfolio file cannot be used, or names a sector or coin that nobody knows.
        SeedError: The sectors cannot be read.
    """
    path, policy = settings.portfolio_path, load_policy(settings.policy_path)
    portfolio = load_portfolio(path)
    if path is None:
        return Effective(portfolio, policy)
    try:
        require_known(portfolio, read_taxonomy(utc_now().date()))
        return Effective(portfolio, resolve(portfolio, policy))
    except PortfolioError as error:
        raise PortfolioError(f"{path}: {error}") from None
