"""What can go wrong at the warehouse's door. Every message says what happened, where and what to do."""


class WarehouseError(RuntimeError):
    """The warehouse cannot do what was asked; the message carries the remedy."""


class WarehouseLocked(WarehouseError):
    """Another process is writing; the message says who, since when and what to do."""


class NoRelease(WarehouseError):
    """There is no published release (or not the one asked for)."""


class SchemaMismatch(WarehouseError):
    """A stored table, or a frame to be written, does not have the columns its contract asks for."""
