# One image with the four binaries: operator, loadgen, counter, chaos.
#
#   docker build -t REGISTRY/eoslab:0.1.0 .
#
# Needs BuildKit (the default of Docker 23 and newer): registry and target directory are cache mounts, so a second build
# compiles only what changed.

FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY core core
COPY api api
COPY report report
COPY runtime runtime
COPY loadgen loadgen
COPY counter counter
COPY operator operator
COPY chaos chaos
COPY plugin plugin
COPY tests tests
# For the reports: docker build --build-arg REVISION=$(git rev-parse --short=12 HEAD) ...
ARG REVISION=
# The binaries leave the cache mount within the same step, for a mount is not part of a layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    EOSLAB_GIT_REVISION=$REVISION cargo build --profile image --locked --bin operator --bin loadgen --bin counter --bin chaos && \
    install -D -m 0755 -t /out target/image/operator target/image/loadgen target/image/counter target/image/chaos

FROM debian:bookworm-slim
COPY --from=build /out/ /usr/local/bin/
# A library that is missing here is found now, not in a pod.
RUN for program in operator loadgen counter chaos; do \
      if ldd "/usr/local/bin/$program" | grep 'not found'; then exit 1; fi; \
    done
# By number: a kubelet cannot tell from a name that it is not root.
USER 65532:65532
CMD ["operator"]
