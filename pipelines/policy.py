"""The policy: loaded from a file or from the defaults, validated and hashed; exact strategic weights.

A user's file overrides single keys; whatever it leaves out keeps the default of `policy_models`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from pipelines import policy_models as models
from pipelines.config_files import ConfigError, first_problem, parse_yaml, read_text
from pipelines.policy_models import ACTIONS, STATES, Action, State, parse_fraction

__all__ = [
    "ACTIONS", "STATES", "Action", "Policy", "PolicyError", "State",
    "load_policy", "parse_policy", "parse_weights", "require_known_sectors",
]  # fmt: skip


class PolicyError(ConfigError):
    """A policy or a set of strategic weights cannot be used; the message names the key and the remedy."""


class Policy(models.Section):
    """The resolved policy. Attribute paths are the keys of the file, for example `policy.over.stay_f`."""

    version: Literal[1] = 1
    split: models.Split = models.Split()
    decide: models.Decide = models.Decide()
    windows: models.Windows = models.Windows()
    leaders: models.Leaders = models.Leaders()
    metrics: models.Metrics = models.Metrics()
    data: models.Data = models.Data()
    health: models.Health = models.Health()
    over: models.Over = models.Over()
    lose: models.Lose = models.Lose()
    unstable: models.Unstable = models.Unstable()
    capitulation: models.Capitulation = models.Capitulation()
    accum: models.Accum = models.Accum()
    spread: models.Spread = models.Spread()
    calendar: models.Calendar = models.Calendar()
    actions: models.Actions = models.Actions()
    multipliers: models.Multipliers = models.Multipliers()
    limits: models.Limits = models.Limits()
    costs: models.Costs = models.Costs()
    hedge: models.Hedge = models.Hedge()
    tactical: models.Tactical = models.Tactical()
    liquidity: models.Liquidity = models.Liquidity()
    budgets: models.Budgets = models.Budgets()
    expression: models.Expression = models.Expression()
    scenarios: models.Scenarios = models.Scenarios()
    claims: models.Claims = models.Claims()

    def canonical_json(self) -> str:
        """The resolved policy as JSON: sorted keys, no spaces, fractions as text in lowest terms."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def canonical_hash(self) -> str:
        """SHA-256 of `canonical_json`, hexadecimal: the `policy_hash` that stands on every decision."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()


def load_policy(path: Path | None = None) -> Policy:
    """Read a policy file, or give the defaults when `path` is None.

    Raises:
        PolicyError: the file cannot be read or a key is wrong; names the file, the key and the remedy.
    """
    if path is None:
        return Policy()
    try:
        return parse_policy(parse_yaml(read_text(path, "policy file")))
    except ConfigError as error:
        raise PolicyError(f"{path}: {error}") from None


def parse_policy(overrides: Mapping[str, Any]) -> Policy:
    """The default policy with some keys overridden, for example `{"limits": {"turnover_cap": "1/10"}}`.

    Raises:
        PolicyError: unknown key, value of a wrong kind or out of range; starts with the key's path.
    """
    if not isinstance(overrides, Mapping):
        raise PolicyError("policy: must be sections with keys, for example limits: {turnover_cap: '1/4'}")
    try:
        return Policy.model_validate(dict(overrides))
    except ValidationError as error:
        raise PolicyError(first_problem(error, "policy")) from None


def parse_weights(weights: Mapping[str, object]) -> dict[str, Fraction]:
    """Strategic weights per sector, exact, from text such as `{"L1": "3/10"}`.

    Raises:
        PolicyError: a weight is no exact fraction or negative (names the sector), or the sum is not 1.
    """
    parsed: dict[str, Fraction] = {}
    for sector, value in weights.items():
        try:
            parsed[sector] = parse_fraction(value)
        except ValueError as error:
            raise PolicyError(f"strategic weight of {sector}: {error}") from None
        if parsed[sector] < 0:
            raise PolicyError(f"strategic weight of {sector}: {value} is negative; use 0 to only watch it")
    total = sum(parsed.values(), Fraction(0))
    if total != 1:
        listed = ", ".join(f"{sector} {weight}" for sector, weight in sorted(parsed.items()))
        raise PolicyError(f"strategic weights: the sum is {total}, not 1 ({listed}); correct them")
    return parsed


def require_known_sectors(policy: Policy, known: Iterable[str]) -> None:
    """Refuse sector names that the user wrote into the policy and that no sector carries.

    The default names are exempt: a taxonomy of one's own need not have them.

    Raises:
        PolicyError: names the key and the sector.
    """
    default, sectors = Policy(), set(known)
    named = {
        "leaders.single_name_ok": set(policy.leaders.single_name_ok) - set(default.leaders.single_name_ok),
        "spread.reference": set(policy.spread.reference) - set(default.spread.reference),
        "expression.sectors": set(policy.expression.sectors),
    }
    for key, names in named.items():
        for name in sorted(names - sectors):
            raise PolicyError(f"{key}: no sector is called {name}; use one of {', '.join(sorted(sectors))}")
