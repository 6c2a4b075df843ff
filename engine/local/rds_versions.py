"""MariaDB on RDS: versions on offer, and which parameters can be set how.

Source: RDS User Guide, "MariaDB on Amazon RDS versions" and "Parameters for MariaDB"; API reference,
ModifyDBParameterGroup. Parameters nobody here has used are not known.
"""

from __future__ import annotations

MINOR_VERSIONS = {
    "10.11": ("10.11.14", "10.11.15", "10.11.16"),
    "11.4": ("11.4.8", "11.4.9", "11.4.10"),
    "11.8": ("11.8.3", "11.8.5", "11.8.6"),
}
"""By major version, oldest first; the last is what the major version alone stands for."""

DYNAMIC = frozenset(
    {
        "character_set_server",
        "collation_server",
        "event_scheduler",
        "general_log",
        "innodb_buffer_pool_size",
        "innodb_flush_log_at_trx_commit",
        "innodb_io_capacity",
        "innodb_lock_wait_timeout",
        "innodb_print_all_deadlocks",
        "innodb_snapshot_isolation",
        "interactive_timeout",
        "log_output",
        "log_warnings",
        "long_query_time",
        "max_allowed_packet",
        "max_connect_errors",
        "max_connections",
        "max_statement_time",
        "require_secure_transport",
        "slow_query_log",
        "sql_mode",
        "time_zone",
        "wait_timeout",
    }
)
STATIC = frozenset({"innodb_log_file_size", "lower_case_table_names", "performance_schema"})
UNCHANGEABLE = frozenset({"basedir", "datadir", "port", "socket", "tmpdir"})


def full_version(version: str) -> str | None:
    """The version that RDS runs when asked for this one; None when it offers none."""
    if version in MINOR_VERSIONS:
        return MINOR_VERSIONS[version][-1]
    return version if any(version in minors for minors in MINOR_VERSIONS.values()) else None


def family(version: str) -> str:
    """Parameter group family: mariadb11.4 for 11.4.10."""
    return "mariadb" + ".".join(version.split(".")[:2])
