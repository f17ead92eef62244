#!/bin/sh
# What docker/build-push-action runs for a workflow's step, with docker/login-action and docker/metadata-action before it.
set -eu
echo "$REGISTRY_PASSWORD" | docker login --username "$REGISTRY_USERNAME" --password-stdin "$REGISTRY"
docker buildx build \
  --build-arg BASE \
  --build-arg "VERSION=$GITHUB_REF_NAME" \
  --cache-from type=gha \
  --cache-to type=gha,mode=max \
  --file ./Dockerfile \
  --iidfile "$RUNNER_TEMP/iidfile" \
  --label "org.opencontainers.image.revision=$GITHUB_SHA" \
  --label "org.opencontainers.image.source=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" \
  --metadata-file "$RUNNER_TEMP/metadata.json" \
  --platform linux/amd64 \
  --provenance=false \
  --tag "$REGISTRY/$GITHUB_REPOSITORY:$GITHUB_REF_NAME" \
  --tag "$REGISTRY/$GITHUB_REPOSITORY:latest" \
  --push \
  .
echo "imageid=$(cat "$RUNNER_TEMP/iidfile")" >> "$GITHUB_OUTPUT"
