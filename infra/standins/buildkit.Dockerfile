ARG BASE
FROM $BASE
ARG RELEASE
COPY apt/ /etc/apt/
RUN apt-get update \
 && apt-get install --yes --no-install-recommends "docker.io${RELEASE:+/$RELEASE}" iptables git \
 && rm -rf /var/lib/apt/lists/*
COPY buildkitd buildctl /usr/bin/
VOLUME /var/lib/buildkit
ENTRYPOINT ["buildkitd"]
