/** What a person has to do for each failure that cannot be cured from here. */
export const connectionCures: Record<string, string> = {
  DATABASE_URL_INVALID:
    'Correct NEON_DB_URL (environment or .env): postgresql://USER:PASSWORD@HOST/DATABASE?sslmode=require. `reviewops config check` says what is wrong with it.',
  DATABASE_TLS_REQUIRED: 'Add ?sslmode=require (better: verify-full) to NEON_DB_URL.',
  DATABASE_HOST_UNKNOWN:
    'Compare the host in NEON_DB_URL with the one in the console of the provider, letter by letter. If it is right, this machine has no working DNS: check /etc/resolv.conf and the VPN.',
  DATABASE_PORT_CLOSED:
    'Ask whoever runs the server whether it is up and listens on that port, and whoever runs the network to let this machine through to it (outgoing TCP, usually 5432). On Neon, look at the status page and whether the project was suspended or deleted.',
  DATABASE_TLS_MISSING:
    'Check that host and port are those of the PostgreSQL server, not of something in between; at the server turn TLS on (ssl = on). Do not work around it with sslmode=disable.',
  DATABASE_CERTIFICATE_REJECTED:
    'Check that this is the right server; then name the authority of its certificate with sslrootcert=FILE, or have the certificate renewed.',
  DATABASE_PASSWORD_REJECTED:
    'The password is wrong, or it was reset: a reset kills the old one at once. Take the present one from the password store or make a new one at the provider, put it into .env as NEON_DB_URL (never on a command line), and run this again.',
  DATABASE_LOGIN_REJECTED:
    'The server refuses this role from this machine: check the role, that it may log in (ALTER ROLE … LOGIN) and is still valid (VALID UNTIL), and pg_hba.conf.',
  DATABASE_NOT_FOUND:
    'Correct the database name at the end of NEON_DB_URL; `psql -l` with the same role lists those that exist.',
  DATABASE_TOO_MANY_CONNECTIONS:
    'End idle sessions (SELECT pid, usename, state, state_change FROM pg_stat_activity ORDER BY state_change; then pg_terminate_backend(pid)), or lower pipeline.parallelism.',
  RIGHTS_MISSING:
    'Have an administrator grant what is missing: GRANT USAGE ON SCHEMA … TO role; GRANT SELECT ON ALL TABLES IN SCHEMA … TO role; the serving table must belong to a role that the loading role is a member of.',
};
