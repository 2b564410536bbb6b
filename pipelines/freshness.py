"""How old things may be: the assets, by Dagster's freshness policies; the data, per exchange and kind.

The two answer different questions. An asset is fresh when the night came to it. Data are fresh when what an exchange
said is recent, which a night that went well does not promise: one exchange may be silent. That is what the border's
checks `some_exchange_is_fresh` (blocks) and `hours_behind` (warns) look at during a night.
"""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from pipelines.raw.assets import SNAPSHOT_KEY, exchange_key
from pipelines.settings import SUPPORTED_EXCHANGES

# The limits of the alert about a stale release and of the data: a day, and two hours for a night that takes its time.
NIGHTLY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(hours=25))


def expected_every_night(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets, all of which a night makes anew, with the policy that Dagster's daemon watches.

    Reading one exchange has none: a run leaves out those that are not among its exchanges. Nor has the snapshot of open
    interest, which its own schedule takes where it is switched on.
    """
    not_every_night = {SNAPSHOT_KEY, *(exchange_key(name) for name in SUPPORTED_EXCHANGES)}

    def expect(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec if spec.key in not_every_night else dg.apply_freshness_policy(spec, NIGHTLY)

    return list(dg.map_asset_specs(expect, assets))
