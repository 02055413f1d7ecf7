-- An empty schema `reporting`, in which the role of that name may create views until grants.sql has run.
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS reporting CASCADE;
CREATE SCHEMA reporting;
GRANT USAGE, CREATE ON SCHEMA reporting TO reporting;
