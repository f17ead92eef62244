ARG BASE
FROM $BASE
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev make ccache \
 && rm -rf /var/lib/apt/lists/*
