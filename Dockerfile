# The image of the agent: one static binary, and nothing to log in to.
#
#   docker build --tag servo .                                  without load generator
#   docker build --tag servo:vegeta --target servo-vegeta .     with vegeta
#   docker build --target binary --output target/static .       the binary alone
#
# Equal sources make an equal binary: the toolchain and every dependency are pinned, and no path of the builder is in it.
# With `--build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) --output type=image,rewrite-timestamp=true` the image is
# equal too. A registry's digest can be pinned with RUST_IMAGE and GO_IMAGE (name:tag@sha256:...).
#
# There is no shell: the connector `scripts` and connectors of your own need an image made from this one's /bin/servo.
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm
ARG GO_IMAGE=golang:1.26.8-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /build
COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN cargo static --target-dir /target --config "target.'cfg(all())'.rustflags = [\
        '--remap-path-prefix=/build=servo', '--remap-path-prefix=/usr/local/cargo=cargo', '-C', 'link-arg=-Wl,--build-id=none']" \
    && install -D --target-directory /out /target/*/dist/servo \
    && mkdir /empty

FROM ${GO_IMAGE} AS vegeta
WORKDIR /build
COPY tests/components/vegeta .
RUN CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w -buildid= -X main.Version=12.13.0' \
        -o /out/vegeta github.com/tsenart/vegeta/v12

FROM scratch AS binary
COPY --from=build /out/servo /servo

FROM scratch AS servo
COPY LICENSE /licenses/servo
# Logs and journals can be written also where no volume is mounted, and onto a volume that is made from these folders.
COPY --from=build --chown=65532:65532 /empty /servo
COPY --from=build --chown=65532:65532 /empty /servo/data
COPY --from=build --chown=65532:65532 /empty /servo/logs
COPY --from=build /out/servo /bin/servo
ENV PATH=/bin
# A number, as Kubernetes cannot know who a name is.
USER 65532:65532
# servo.yaml is mounted here.
WORKDIR /servo
ENTRYPOINT ["/bin/servo"]
CMD ["run"]
ARG VERSION=0.1.0
ARG REVISION
LABEL org.opencontainers.image.title="servo" \
      org.opencontainers.image.description="The agent that closes the loop between a running application and an optimizer" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM servo AS servo-vegeta
COPY --from=vegeta /out/vegeta /bin/vegeta
# servo has a list of authorities of its own; vegeta has not.
COPY --from=vegeta /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt

# Built without --target.
FROM servo
