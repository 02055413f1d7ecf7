-- Removes the schema `reporting`. It is renamed first, so that no new query begins to read it: a query and a DROP that
-- each wait for a view of the other would end in a deadlock.
SET client_min_messages = warning;
SET lock_timeout = '90s';
DROP SCHEMA IF EXISTS reporting_old CASCADE;
SELECT 'ALTER SCHEMA reporting RENAME TO reporting_old' WHERE to_regnamespace('reporting') IS NOT NULL \gexec
DROP SCHEMA IF EXISTS reporting_old CASCADE;
