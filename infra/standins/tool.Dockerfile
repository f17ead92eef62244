ARG BASE
FROM $BASE
COPY docker docker-buildx /usr/local/bin/
# The same binary is called directly and as the client's plugin.
RUN mkdir -p /usr/local/libexec/docker/cli-plugins \
 && ln -s /usr/local/bin/docker-buildx /usr/local/libexec/docker/cli-plugins/docker-buildx \
 && docker buildx version && docker-buildx version
CMD ["sh"]
