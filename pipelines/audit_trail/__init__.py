"""Why a decision came out as it did: what stood behind it, what differs from another one, and whether it repeats."""
