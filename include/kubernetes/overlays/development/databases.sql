-- A database each for MLflow and for the studies, owned by a role that sees no other; PostgreSQL's image runs this when
-- its volume is empty.
\set ON_ERROR_STOP on
\getenv mlflow MLFLOW_DB_PASSWORD
\getenv studies STUDIES_DB_PASSWORD

CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE ROLE studies LOGIN PASSWORD :'studies';

CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE studies OWNER studies;

REVOKE ALL ON DATABASE postgres, mlflow, studies FROM PUBLIC;
