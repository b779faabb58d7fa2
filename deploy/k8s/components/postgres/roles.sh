#!/bin/sh
# Runs once, on an empty data folder: the extension, and a role per service that sees its own schema only.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set dialog="$KF_DIALOG_DB_PASSWORD" --set knowledge="$KF_KNOWLEDGE_DB_PASSWORD" \
  --set sender="$KF_SENDER_DB_PASSWORD" <<'SQL'
CREATE EXTENSION vector;
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
CREATE ROLE kf_dialog LOGIN PASSWORD :'dialog';
CREATE ROLE kf_knowledge LOGIN PASSWORD :'knowledge';
CREATE ROLE kf_sender LOGIN PASSWORD :'sender';
-- Each service makes its own schema when it first starts.
GRANT CONNECT, CREATE ON DATABASE :"DBNAME" TO kf_dialog, kf_knowledge, kf_sender;
SQL
