"""DuckDB for Great Expectations: a reading dialect.

Great Expectations reads a result after it has given its connection back; the rollback that SQLAlchemy then makes
empties the result ("list index out of range"). Nothing is written here, so transactions can be left out.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from duckdb_sqlalchemy import Dialect
from sqlalchemy.dialects import registry

URL_SCHEME = "rotation+duckdb"


class ReadingDuckDB(Dialect):
    """The DuckDB dialect without transactions, and with the SQL functions that the suites use."""

    supports_statement_cache = True

    def connect(self, *args: Any, **parameters: Any) -> Any:
        connection = super().connect(*args, **parameters)
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set autoinstall_known_extensions = false")
        name = exact_sum_is_one.__name__
        # A function belongs to the file, not to the connection: the pool's next connection finds it there.
        if not connection.execute(f"from duckdb_functions() where function_name = '{name}'").fetchall():
            connection.create_function(name, exact_sum_is_one, ["VARCHAR[]"], "BOOLEAN", null_handling="special")
        return connection

    def do_begin(self, dbapi_connection: Any) -> None:
        pass

    def do_commit(self, dbapi_connection: Any) -> None:
        pass

    def do_rollback(self, dbapi_connection: Any) -> None:
        pass


def exact_sum_is_one(weights: Sequence[str | None] | None) -> bool:
    """True when fractions such as "3/10" add up to exactly 1; false for NULL or text that is no fraction."""
    try:
        return sum((Fraction(weight) for weight in weights or ()), Fraction(0)) == 1  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return False


def register() -> None:
    """Make the dialect known to SQLAlchemy under `URL_SCHEME`."""
    registry.register("rotation.duckdb", __name__, ReadingDuckDB.__name__)
