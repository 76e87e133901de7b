//! Statements that change the shared state in PostgreSQL: the same operations as the scripts for Redis. Each is one
//! statement, so that it is carried out as a whole. All parameters are bytes; `$1` is the key.

use super::scripts::Operation;

/// A number in SQL, of a parameter that has it as text.
macro_rules! number {
    ($parameter:literal) => {
        concat!("convert_from(", $parameter, ", 'UTF8')::bigint")
    };
}

/// A time from now, in milliseconds as text.
macro_rules! from_now {
    ($parameter:literal) => {
        concat!("now() + ", number!($parameter), " * interval '1 millisecond'")
    };
}

const RESERVE: &str = concat!(
    "WITH reserved AS (INSERT INTO {calls} AS call (key, request, owner, expires) VALUES ($1, $2, $3, ",
    from_now!("$4"),
    ") ON CONFLICT (key) DO UPDATE SET request = excluded.request, owner = excluded.owner, response = NULL, \
     expires = excluded.expires WHERE call.expires <= now() RETURNING key) \
     SELECT CASE WHEN EXISTS (SELECT FROM reserved) THEN 'new' ELSE coalesce((\
     SELECT CASE WHEN request <> $2 THEN 'other' WHEN response IS NULL THEN 'running' \
     WHEN octet_length(response) NOT BETWEEN 1 AND ",
    number!("$5"),
    " THEN 'large' ELSE 'done' || convert_from(response, 'UTF8') END \
     FROM {calls} WHERE key = $1 AND expires > now()), 'running') END"
);

const RENEW: &str =
    concat!("UPDATE {calls} SET expires = ", from_now!("$3"), " WHERE key = $1 AND owner = $2");

const COMPLETE: &str = concat!(
    "UPDATE {calls} SET response = $3, expires = ",
    from_now!("$4"),
    " WHERE key = $1 AND owner = $2"
);

const RELEASE: &str = "DELETE FROM {calls} WHERE key = $1 AND owner = $2 AND response IS NULL";

const SAVE_CLIENT: &str = concat!(
    "INSERT INTO {clients} (key, state, expires) VALUES ($1, $2, ",
    from_now!("$3"),
    ") ON CONFLICT (key) DO UPDATE SET state = excluded.state, expires = excluded.expires"
);

const FIND_CLIENT: &str = concat!(
    "SELECT convert_from(state, 'UTF8') FROM {clients} WHERE key = $1 AND expires > now() AND octet_length(state) <= ",
    number!("$2")
);

const REMOVE_CLIENT: &str = "DELETE FROM {clients} WHERE key = $1 AND substring(state FROM 1 FOR 16) = $2";

/// Expired revocations are not counted, and the one of the user is changed.
const REVOKE: &str = concat!(
    "WITH stored AS (INSERT INTO {revoked} AS known (key, name, at) SELECT $1, $2, ",
    number!("$3"),
    " WHERE EXISTS (SELECT FROM {revoked} WHERE key = $1 AND name = $2) \
     OR (SELECT count(*) FROM {revoked} WHERE key = $1 AND at >= ",
    number!("$3"),
    " - ",
    number!("$4"),
    ") < ",
    number!("$5"),
    " ON CONFLICT (key, name) DO UPDATE SET at = greatest(known.at, excluded.at) RETURNING key) \
     SELECT count(*) FROM stored"
);

const REVOCATIONS: &str = concat!(
    "WITH page AS (SELECT name, at FROM {revoked} WHERE key = $1 AND at >= ",
    number!("$2"),
    " ORDER BY at DESC, name OFFSET ",
    number!("$3"),
    " LIMIT ",
    number!("$4"),
    ") SELECT (SELECT count(*) FROM page) || ' [' || coalesce((SELECT string_agg(\
     to_json(convert_from(name, 'UTF8'))::text || ',' || to_json(at::text)::text, ',' ORDER BY at DESC, name) \
     FROM page WHERE octet_length(name) <= ",
    number!("$5"),
    "), '') || ']'"
);

/// Deletes what has expired: `$2` is the oldest time of a revocation that is remembered.
const CLEAN: &str = concat!(
    "WITH calls AS (DELETE FROM {calls} WHERE expires <= now()), \
     clients AS (DELETE FROM {clients} WHERE expires <= now()) \
     DELETE FROM {revoked} WHERE key = $1 AND at < ",
    number!("$2")
);

/// The tables, each created by a statement of its own.
pub(super) const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS {calls} (key bytea PRIMARY KEY, request bytea NOT NULL, owner bytea NOT NULL, \
     response bytea, expires timestamptz NOT NULL)",
    "CREATE TABLE IF NOT EXISTS {clients} (key bytea PRIMARY KEY, state bytea NOT NULL, expires timestamptz NOT NULL)",
    "CREATE TABLE IF NOT EXISTS {revoked} (key bytea, name bytea, at bigint NOT NULL, PRIMARY KEY (key, name))",
];

/// The number of tables that are there.
pub(super) const COUNT: &str = "SELECT count(*) FROM unnest(ARRAY['{calls}', '{clients}', '{revoked}']) AS name WHERE to_regclass(name) IS NOT NULL";

/// The statement of an operation.
pub(super) fn statement(operation: Operation) -> &'static str {
    match operation {
        Operation::Reserve => RESERVE,
        Operation::Renew => RENEW,
        Operation::Complete => COMPLETE,
        Operation::Release => RELEASE,
        Operation::SaveClient => SAVE_CLIENT,
        Operation::FindClient => FIND_CLIENT,
        Operation::RemoveClient => REMOVE_CLIENT,
        Operation::Revoke => REVOKE,
        Operation::Revocations => REVOCATIONS,
        Operation::Clean => CLEAN,
    }
}

/// Puts the names of the tables into a statement. The prefix is checked with the settings.
pub(super) fn with_tables(sql: &str, prefix: &str) -> String {
    ["calls", "clients", "revoked"].iter().fold(sql.to_owned(), |sql, table| {
        sql.replace(&format!("{{{table}}}"), &format!("{prefix}gateway_{table}"))
    })
}
