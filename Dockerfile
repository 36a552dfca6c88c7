# The two images of ImageDiff, from one build:
#
#   docker build --target controller -t imagediff-controller:0.1.0 .
#   docker build --target engine -t imagediff-engine:0.1.0 .
#
# They start from nothing: scripts/images picks the programs and the libraries that they need from
# Debian's packages, which are unpacked for the architecture asked for and never run here. So an
# image for another architecture (docker buildx build --platform linux/arm64) needs no emulation,
# and neither image has a package manager, a compiler or npm. The controller has no shell either;
# the engine has dash, which starts QEMU's tools.

# The build's tools, and Debian's package lists. No part of it is in an image. Who wants a build
# that cannot change pins it: --build-arg NODE_IMAGE=docker.io/library/node@sha256:...
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim

# What comes from elsewhere: a change to ImageDiff itself leaves this stage as it was.
FROM --platform=$BUILDPLATFORM $NODE_IMAGE AS packages
ENV npm_config_cache=/tmp/npm npm_config_loglevel=error npm_config_update_notifier=false
# readelf tells which libraries a program needs, of any architecture.
RUN apt-get update -qq \
  && apt-get install -y -qq --no-install-recommends binutils >/dev/null \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY scripts/images/debian.ts scripts/images/
ARG TARGETARCH
RUN node scripts/images/debian.ts "$TARGETARCH" /debian
COPY package.json package-lock.json .npmrc ./
# A network whose authority Node does not know gives it as a secret: --secret id=ca,src=FILE.
RUN --mount=type=secret,id=ca \
  if [ -e /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi \
  && npm ci --ignore-scripts \
  && rm -rf /tmp/npm
# What runs later is installed apart: Node itself and koffi for the architecture asked for.
RUN --mount=type=secret,id=ca \
  if [ -e /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi \
  && mkdir /npm && cp package.json package-lock.json .npmrc /npm && cd /npm \
  && cpu=$(if [ "$TARGETARCH" = amd64 ]; then echo x64; else echo "$TARGETARCH"; fi) \
  && npm ci --ignore-scripts --omit=dev --os=linux --cpu="$cpu" \
  && npm pkg delete devDependencies && npm sbom --sbom-format=cyclonedx >sbom.json \
  && rm -rf /tmp/npm

FROM packages AS build
ARG TARGETARCH
COPY src src
COPY scripts scripts
COPY LICENSE ./
RUN node scripts/build.ts && node scripts/images/assemble.ts "$TARGETARCH" /debian /npm dist /images

FROM scratch AS controller
COPY --from=build /images/controller /
USER 65532:65532
ENV NODE_ENV=production
EXPOSE 8080
# The heap's bounds fit a controller: it has time to collect garbage, and stays small.
ENTRYPOINT ["/usr/bin/node", "--max-semi-space-size=2", "--max-old-space-size=96", "/usr/lib/imagediff/imagediff.mjs", "controller"]
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="imagediff-controller" \
  org.opencontainers.image.description="Reconciles the ImageDiffs of a Kubernetes cluster" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="$VERSION" \
  org.opencontainers.image.revision="$REVISION"

FROM scratch AS engine
COPY --from=build /images/engine /
# The user of KubeVirt's disks.
USER 107:107
# Nothing is written but the output: the root may be read-only, and /tmp an empty folder.
ENV NODE_ENV=production PATH=/usr/bin TMPDIR=/tmp HOME=/tmp NODE_DISABLE_COMPILE_CACHE=1
ENTRYPOINT ["/usr/bin/node", "/usr/lib/imagediff/imagediff.mjs"]
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="imagediff-engine" \
  org.opencontainers.image.description="Turns a full copy of a disk image into a thin overlay over its base" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="$VERSION" \
  org.opencontainers.image.revision="$REVISION"
