"""A simulated market for the local exchange: seeded, with regimes and events; its past never changes."""

from pipelines.local_exchange.simulation.simulated_market import SimulatedMarket

__all__ = ["SimulatedMarket"]
