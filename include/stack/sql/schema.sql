-- An empty schema `reporting`, in which the role of that name may create views until grants.sql has run.
CREATE SCHEMA reporting;
GRANT USAGE, CREATE ON SCHEMA reporting TO reporting;
