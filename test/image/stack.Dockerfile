# What the tests run inside a worker: PostgreSQL and Python, from Debian's packages.
ARG BASE
FROM ${BASE}
RUN apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends \
      postgresql postgresql-client python3-minimal libpython3-stdlib curl \
 && rm -rf /var/lib/apt/lists/* /usr/local/go
