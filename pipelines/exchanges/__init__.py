"""The exchanges: whatever one of them sends becomes the same typed frames. Knows neither dagster nor DuckDB.

`registry.open_adapter` gives an adapter (`port.Adapter`) for an exchange; `capabilities` says what it offers.
"""
