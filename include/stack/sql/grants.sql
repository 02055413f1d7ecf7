-- Lets `dashboards` read the views, and nobody create more of them.
SET ROLE reporting;
GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO dashboards;
RESET ROLE;
REVOKE CREATE ON SCHEMA reporting FROM reporting;
GRANT USAGE ON SCHEMA reporting TO dashboards;
