ARG BASE
FROM $BASE
COPY usr/ /usr/
ENV NODE_EXTRA_CA_CERTS=/usr/local/share/ca-certificates/host.crt
RUN node --version && npm --version
CMD ["node"]
